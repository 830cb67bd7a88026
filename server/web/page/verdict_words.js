// Verdicts and certificates in sentences.

import { count, deathInterval, list, number, optional, percent, plural, real, step, whole } from './format.js';
import { originWords, permanenceWords, saturationWords, starvationWords, stateOf } from './vocabulary.js';

/** Firings per observation over the horizon; null where nothing was observed, or where some of it is NaN. */
export function firingRate(unit) {
  if (unit.state === 'HEALTH_STATE_NON_FINITE') return null;
  const seen = whole(unit.observations);
  return seen > 0 ? whole(unit.firings) / seen : null;
}

function clustersWords(clusters) {
  return clusters > 0 ? ` of ${plural(clusters, 'independent example')}` : '';
}

// "nothing", or "nothing finite": of NaN nothing follows, but it was there.
const nothing = (unit) => (whole(unit.nonFinite) > 0 ? 'nothing finite' : 'nothing');

function lifeSentence(unit) {
  const first = optional(unit.firstSeenStep);
  if (first === null) return sentenceCase(`${nothing(unit)} of it was ever observed.`);
  const last = optional(unit.lastFiringStep);
  return `It was first observed at step ${count(first)} and ${last === null ? 'was never seen firing'
    : `last fired at step ${count(last)}`}.`;
}

function horizonSentence(unit) {
  const seen = whole(unit.observations);
  if (seen === 0) return `Over the horizon ${nothing(unit)} of it was observed.`;
  const rate = firingRate(unit);
  return `Over the horizon it fired in ${count(whole(unit.firings))} of ${plural(seen, 'observation')}`
    + `${clustersWords(whole(unit.clusters))}${rate === null ? '' : ` (${percent(rate)})`}.`;
}

function silenceSentence(unit) {
  const silent = whole(unit.silentObservations);
  if (silent === 0 || whole(unit.firings) > 0) return '';
  return `It has been silent for ${plural(silent, 'observation')}${clustersWords(whole(unit.silentClusters))}; so it `
    + `fires at a rate of ${number(real(unit.rateUpperBound))} per observation at most.`;
}

function deathSentence(unit) {
  const deaths = whole(unit.deaths);
  if (deaths === 0) return '';
  const interval = deathInterval(unit.diedAfterStep, unit.diedByStep);
  const revivals = whole(unit.revivals);
  const when = interval === '' ? '' : `, the last time in steps ${interval}`;
  return `It died ${deaths === 1 ? 'once' : `${count(deaths)} times`}${when}`
    + `${revivals > 0 ? `, and came back ${revivals === 1 ? 'once' : `${count(revivals)} times`}` : ''}.`;
}

function certificateSentence(unit) {
  const certified = optional(unit.certifiedStep);
  if (certified === null) return '';
  return `The certificate was complete at step ${count(certified)}: it rules out a rate of ${number(real(unit.p0))} `
    + `per observation and ${number(real(unit.pc0))} per independent example.`;
}

function because(prefix, text) {
  return text ? `${prefix}${text}.` : '';
}

/** All that a verdict says, as sentences; what it does not say is left out. */
export function unitSentences(unit) {
  const state = stateOf(unit.state);
  const also = (unit.also ?? []).map((id) => stateOf(id).label);
  const proven = optional(unit.provenStep);
  const dormancy = optional(unit.dormancyScore);
  const nonFinite = whole(unit.nonFinite);
  return [
    `Unit ${count(whole(unit.unit))} is ${state.label}: ${state.meaning}.`,
    because('The reason: ', unit.reason),
    because('Also: it is ', list(also, 20)),
    because('', sentenceCase(originWords(unit.deathOrigin))),
    because('', sentenceCase(permanenceWords(unit.permanence))),
    because('Its gate is closed at the side: ', saturationWords(unit.saturation)),
    because('Its gradient is ', starvationWords(unit.starvation)),
    lifeSentence(unit),
    horizonSentence(unit),
    nonFinite > 0 ? `${plural(nonFinite, 'value was', 'values were')} NaN or infinite.` : '',
    silenceSentence(unit),
    deathSentence(unit),
    certificateSentence(unit),
    proven === null ? '' : `It is proven from weights and inputs that it could not fire up to step ${count(proven)}.`,
    dormancy === null ? '' : `Its mean size is ${number(dormancy)} times that of the layer.`,
    coverageSentence(unit.coverage),
  ].filter(Boolean);
}

function sentenceCase(text) {
  return text ? text[0].toUpperCase() + text.slice(1) : '';
}

export function coverageSentence(coverage) {
  const expected = coverage?.shardsExpected ?? 0;
  if (expected === 0) return '';
  const received = coverage.shardsReceived ?? 0;
  if (received === expected) {
    return expected === 1 ? 'The newest window is complete.' : `The newest window holds all ${expected} data shards.`;
  }
  return `Only ${received} of ${expected} data shards reached the newest window.`;
}

/** What it took, and takes, to call a unit of the layer dead. */
export function certificateSentences(certificate) {
  if (!certificate) return ['Nothing was observed yet that a certificate could rest on.'];
  const alpha = real(certificate.alpha);
  const from = optional(certificate.horizonFirstStep) ?? 0;
  const through = optional(certificate.evaluatedThroughStep) ?? 0;
  return [
    `DEAD rules out that a unit fires at a rate of ${number(real(certificate.p0))} per observation or `
      + `${number(real(certificate.pc0))} per independent example, or more often.`,
    `The chance that any unit of the run is called dead wrongly is at most ${percent(alpha)}, with `
      + `${count(whole(certificate.trackedUnits))} tests accounted for.`,
    `That takes ${plural(whole(certificate.observationsNeeded), 'silent observation')} of `
      + `${plural(whole(certificate.clustersNeeded), 'independent example')} now.`,
    through < 0 ? 'No window is closed yet.'
      : `The verdicts rest on steps ${step(Math.max(0, from))} to ${count(through)}.`,
  ];
}

/** The life of a layer's units. */
export function lifeSentences(life) {
  if (!life) return [];
  const half = optional(life.halfLifeSteps);
  const before = whole(life.deadBeforeUnits);
  return [
    `${plural(whole(life.deaths), 'death')} and ${plural(whole(life.revivals), 'revival')} so far.`,
    `${plural(whole(life.bornSilentUnits), 'unit')} did not fire in the first window that saw them.`,
    whole(life.flappingUnits) > 0 ? `${plural(whole(life.flappingUnits), 'unit')} died twice or more.` : '',
    before > 0
      ? `Of ${plural(before, 'unit')} dead when the horizon began, ${count(whole(life.stillDeadUnits))} still are.`
      : '',
    half === null ? '' : `Half of the units that ever fired had died after ${plural(half, 'step')}.`,
  ].filter(Boolean);
}
