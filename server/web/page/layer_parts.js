// What a report says of a layer: facts, states, certificate, signals.

import { h } from './dom.js';
import { count, number, optional, percent, plural, real, share, step, whole } from './format.js';
import { deadOf, isObservable, layerFlags } from './layer_flags.js';
import { badge, deadFact, facts, headRow, notice, shardsText, stateBadge, tableRegion } from './parts.js';
import { isAllNonFinite } from './profile_model.js';
import { address } from './route.js';
import { certificateSentences, coverageSentence, lifeSentences } from './verdict_words.js';
import { activationWords, phaseWords, signalWords, stateOf, words } from './vocabulary.js';

function layerLinks(run, names) {
  return names.flatMap((name, i) => [i > 0 ? ', ' : '', h('a', { href: address(run, name) }, name)]);
}

function activationText(layer) {
  const extra = [];
  if (layer.negativeSlope) extra.push(`slope ${number(layer.negativeSlope)}`);
  if (layer.alpha && /_C?ELU$/.test(layer.activation)) extra.push(`alpha ${number(layer.alpha)}`);
  return activationWords(layer.activation) + (extra.length > 0 ? ` (${extra.join(', ')})` : '');
}

function structureText(layer) {
  const parts = [];
  if (layer.normBefore) parts.push('normalisation before the activation');
  if (layer.residual) parts.push('a residual connection passes it');
  if (layer.isOutput) parts.push('the last layer');
  return parts.join(', ');
}

function firstDeathText(report) {
  const by = optional(report.firstDeathByStep);
  if (by === null) return '';
  const after = optional(report.firstDeathAfterStep);
  return after === null || after < 0 ? `by step ${count(by)}` : `after step ${count(after)}, by step ${count(by)}`;
}

/** Facts of a layer, and flags for what stands out. */
export function layerFacts(run, report) {
  const layer = report.layer ?? {};
  const dead = deadOf(report);
  const flags = layerFlags(report);
  return h('div', {},
    flags.length > 0 ? h('p', { class: 'flags', id: 'layer-flags' }, flags.map((flag) => [badge(...flag), ' '])) : null,
    isObservable(report) ? null : notice('unknown', 'Its health cannot be told. ', report.reason ?? ''),
    isObservable(report) && report.reason ? notice('unknown', report.reason) : null,
    facts([
      ['Dead', deadFact(dead), 'dead'],
      ['Units', count(whole(layer.unitCount)), 'units'],
      ['Kind', words(layer.kind, 'LAYER_KIND_') || 'not declared', 'kind'],
      ['Activation', activationText(layer), 'activation'],
      ['Inputs of a unit', whole(layer.fanIn) > 0 ? count(whole(layer.fanIn)) : 'not declared', 'fan-in'],
      ['Place in the network', count(layer.order ?? 0), 'order'],
      ['Reads', (layer.inputs ?? []).length > 0 ? layerLinks(run, layer.inputs) : '', 'inputs'],
      ['Structure', structureText(layer), 'structure'],
      ['Health is read from',
        isObservable(report) ? signalWords(report.healthSignal) : 'nothing that was streamed', 'health-signal'],
      ['Evaluated through step', step(report.evaluatedThroughStep ?? 0), 'evaluated'],
      ['First death', firstDeathText(report), 'first-death'],
      ['Coverage', coverageSentence(report.coverage), 'coverage'],
    ], { id: 'layer-facts' }));
}

export function statesTable(report) {
  const total = (report.unitsByState ?? []).reduce((sum, row) => sum + whole(row.units), 0);
  const rows = [...(report.unitsByState ?? [])].sort((a, b) => whole(b.units) - whole(a.units));
  if (rows.length === 0) return notice('unknown', 'No unit was judged: nothing that tells of its health came in.');
  return tableRegion('States of the units', h('table', { class: 'rows', id: 'states' },
    h('caption', { class: 'unseen' }, 'Units by state'),
    headRow([['State'], ['Units', 'num'], ['Share', 'num'], ['Holds of', 'num'], ['Meaning', 'wide']]),
    h('tbody', {}, rows.map((row) => h('tr', { 'data-key': row.state, 'data-state-row': row.state },
      h('th', { scope: 'row' }, stateBadge(row.state)),
      h('td', { class: 'num' }, count(whole(row.units))),
      h('td', { class: 'num' }, percent(share(whole(row.units), total))),
      h('td', { class: 'num' }, count(whole(row.holds))),
      h('td', { class: 'wide' }, stateOf(row.state).meaning))))));
}

export function certificateText(report) {
  return h('div', { class: 'card words' },
    [...certificateSentences(report.certificate), ...lifeSentences(report.life)].map((text) => h('p', {}, text)));
}

function signalLine(signal) {
  const ratio = optional(signal.firingRatio);
  const zeros = optional(signal.zeroRatio);
  const isEmpty = whole(signal.observations) === 0;
  const otherwise = isAllNonFinite(signal) ? 'none finite' : 'unknown';
  const value = (x) => (isEmpty || isAllNonFinite(signal) ? otherwise : number(real(x)));
  const first = whole(signal.windowFirstStep);
  const end = whole(signal.windowEndStep);
  const key = `${signal.signal} ${signal.phase}`;
  return h('tr', { 'data-key': key, 'data-signal': signal.signal },
    h('th', { scope: 'row' }, signalWords(signal.signal)),
    h('td', {}, phaseWords(signal.phase)),
    h('td', { class: 'num' }, `[${count(first)}, ${count(end)})${signal.windowOpen ? ' open' : ''}`),
    h('td', { class: 'num' }, count(whole(signal.observations))),
    h('td', { class: 'num' }, ratio === null ? 'not defined' : percent(ratio)),
    h('td', { class: 'num' }, ratio === null ? '' : count(whole(signal.unitsNeverFired))),
    h('td', { class: 'num' }, value(signal.rootMeanSquare)),
    h('td', { class: 'num' }, value(signal.mean)),
    h('td', { class: 'num' }, value(signal.standardDeviation)),
    h('td', { class: 'num' }, value(signal.min)),
    h('td', { class: 'num' }, value(signal.max)),
    h('td', { class: 'num' }, zeros === null ? 'not streamed' : percent(zeros)),
    h('td', { class: 'num' }, whole(signal.nonFinite) > 0
      ? badge('∞', count(whole(signal.nonFinite)), 'alarm') : '0'),
    h('td', { class: 'num' }, shardsText(signal.coverage)));
}

export function signalsTable(report) {
  const signals = report.signals ?? [];
  if (signals.length === 0) return notice('unknown', 'No signal was streamed.');
  return tableRegion('Signals', h('table', { class: 'rows', id: 'signals' },
    h('caption', { class: 'unseen' }, `Newest window of ${plural(signals.length, 'signal')}`),
    headRow([['Signal'], ['Phase'], ['Window', 'num'], ['Observations', 'num'], ['Firing', 'num'],
      ['Never fired', 'num'], ['RMS', 'num'], ['Mean', 'num'], ['Deviation', 'num'], ['Min', 'num'], ['Max', 'num'],
      ['Zeros', 'num'], ['NaN', 'num'], ['Shards', 'num']]),
    h('tbody', {}, signals.map(signalLine))));
}
