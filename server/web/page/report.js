// The diagnosis as a report: why the units died, how that is known, what to do.

import { h } from './dom.js';
import { count, list, number, percent, plural, step, whole } from './format.js';
import { badge, notice } from './parts.js';
import { address } from './route.js';
import { causeWords, comparison, remedyVerdictWords } from './vocabulary.js';

function sentence(text) {
  return text ? text[0].toUpperCase() + text.slice(1) : '';
}

function layerLinks(run, layers, most = 6) {
  if (layers.length === 0) return 'the whole run';
  const links = layers.slice(0, most).map((layer) => h('a', { href: address(run, layer) }, layer));
  const parts = links.flatMap((link, i) => (i === 0 ? [link] : [', ', link]));
  return layers.length > most ? [...parts, ` and ${count(layers.length - most)} more`] : parts;
}

function measuredText(evidence) {
  if (evidence.notObservable) return 'not streamed';
  const { sign, wanted } = comparison(evidence.comparison, Boolean(evidence.supports));
  const text = `${number(evidence.measured ?? 0)} ${sign} ${number(evidence.threshold ?? 0)}`;
  return evidence.supports || !wanted ? text : `${text} (would have to be ${wanted})`;
}

function evidenceMark(evidence) {
  if (evidence.notObservable) return badge('?', 'not known', 'unknown');
  return evidence.supports ? badge('✓', 'for', 'fine') : badge('–', 'against', 'unknown');
}

function evidenceLine(evidence) {
  const at = evidence.layer ? ` (${evidence.layer})` : '';
  return h('li', { 'data-evidence': evidence.notObservable ? 'unknown' : evidence.supports ? 'for' : 'against' },
    evidenceMark(evidence),
    h('span', { class: 'evidence-text' }, evidence.description + at,
      evidence.signal ? h('span', { class: 'dim' }, ` [${evidence.signal}]`) : null),
    h('span', { class: 'evidence-value' }, measuredText(evidence)));
}

function measuredSupport(text) {
  return text.startsWith('measured') ? sentence(text) : `Measured: ${text}`;
}

function remedyLine(remedy) {
  return h('li', { 'data-remedy': remedy.recommended ? 'do' : 'not' },
    h('p', {}, h('strong', {}, sentence(remedy.title)), remedy.action ? `: ${remedy.action}` : ''),
    remedy.reason ? h('p', { class: 'dim' }, sentence(remedy.reason)) : null,
    remedy.expectedEffect ? h('p', { class: 'dim' }, `Then: ${remedy.expectedEffect}`) : null,
    remedy.measuredSupport ? h('p', { class: 'dim' }, measuredSupport(remedy.measuredSupport)) : null);
}

function remedies(finding) {
  const all = finding.remedies ?? [];
  const wanted = all.filter((remedy) => remedy.recommended);
  const useless = all.filter((remedy) => !remedy.recommended);
  return [
    wanted.length > 0 ? [h('h4', {}, 'What to do'), h('ol', { class: 'remedies' }, wanted.map(remedyLine))] : null,
    useless.length > 0
      ? [h('h4', {}, 'What would not help'), h('ul', { class: 'remedies' }, useless.map(remedyLine))] : null,
  ];
}

function considered(finding) {
  const causes = finding.considered ?? [];
  if (causes.length === 0) return null;
  return h('details', {}, h('summary', {}, `${plural(causes.length, 'other cause')} weighed`),
    h('ul', {}, causes.map((one) => h('li', {},
      `${sentence(causeWords(one.cause))}, score ${number(one.score ?? 0)}: ${one.reason ?? ''}`))));
}

function findingCard(run, finding) {
  const evidence = finding.evidence ?? [];
  const score = Number(finding.score ?? 0);
  return h('article', {
    class: `finding ${finding.isFault ? 'fault' : 'no-fault'}`,
    'data-key': finding.cause,
    'data-finding': finding.cause,
  },
  h('h3', {}, badge(finding.isFault ? '▲' : 'i', finding.isFault ? 'fault' : 'no fault',
    finding.isFault ? 'alarm' : 'unknown'), ' ', sentence(causeWords(finding.cause))),
  h('p', { class: 'summary' }, sentence(finding.summary)),
  h('p', { class: 'dim' }, `Score ${number(score)} · steps ${step(finding.firstStep ?? 0)} to `,
    `${step(finding.lastStep ?? 0)} · `, layerLinks(run, finding.layers ?? [])),
  remedies(finding),
  evidence.length > 0 ? [h('h4', {}, 'Evidence'), h('ul', { class: 'evidence' }, evidence.map(evidenceLine))] : null,
  considered(finding));
}

function consequenceText(layer, run) {
  const expected = layer.expectedBornDeadUnits;
  return h('li', { 'data-key': layer.layer },
    h('a', { href: address(run, layer.layer) }, layer.layer),
    `: ${count(whole(layer.deadUnits))} of ${count(whole(layer.unitCount))} units dead, `,
    h('strong', {}, percent(layer.lostShare ?? 0)), ' of its capacity',
    layer.collapsed ? [' ', badge('✕', 'collapsed: no gradient passes', 'alarm')] : null,
    expected === undefined ? null : `; ${number(expected)} born dead would be usual at this depth`);
}

function lossWords(consequences) {
  if (consequences.stalledAfterDeaths) return 'The loss stalled after the deaths.';
  if (consequences.stalled) return 'The loss has stalled.';
  return '';
}

function consequenceSection(run, consequences) {
  const hurt = (consequences?.layers ?? []).filter((layer) => whole(layer.deadUnits) > 0 || layer.collapsed)
    .sort((a, b) => (b.lostShare ?? 0) - (a.lostShare ?? 0));
  const plateau = consequences?.plateauStartStep;
  const first = consequences?.firstDeathStep;
  return h('section', { 'data-key': 'consequences', id: 'consequences' }, h('h3', {}, 'What it costs'),
    h('p', {}, hurt.length === 0 ? 'No unit is dead for certain. '
      : `${percent(consequences.lostShare ?? 0)} of the capacity of all layers is lost. `,
    first === undefined ? '' : `The first unit died at step ${count(first)}. `,
    lossWords(consequences ?? {}),
    plateau === undefined ? '' : ` The loss no longer falls from step ${count(plateau)}.`),
    h('ul', {}, hurt.slice(0, 8).map((layer) => consequenceText(layer, run))),
    hurt.length > 8 ? h('p', { class: 'dim' }, `${plural(hurt.length - 8, 'other layer')} lost units too.`) : null);
}

function points(difference) {
  const x = Number(difference ?? 0) * 100;
  return Number.isFinite(x) ? x.toFixed(2) : 'unknown';
}

function outcomeSection(outcome) {
  if (!outcome) return null;
  const ofUnits = (dead, units) => `${count(whole(dead))} of ${count(whole(units))}`;
  const before = outcome.beforeAttempt ? `attempt ${outcome.beforeAttempt}` : `run ${outcome.beforeRunId}`;
  const tone = { REMEDY_VERDICT_FEWER_DEAD: 'fine', REMEDY_VERDICT_MORE_DEAD: 'bad' }[outcome.verdict] ?? 'unknown';
  return h('section', { 'data-key': 'outcome', id: 'remedy-outcome' }, h('h3', {}, 'Did the remedy work?'),
    notice(tone, h('strong', {}, `${remedyVerdictWords(outcome.verdict)}. `),
      `Compared with ${before}: ${ofUnits(outcome.beforeDead, outcome.beforeUnits)} dead then, `,
      `${ofUnits(outcome.afterDead, outcome.afterUnits)} now; the share changed by `,
      `${points(outcome.difference)} points (95 %: ${points(outcome.differenceLow)} to `,
      `${points(outcome.differenceHigh)}).`));
}

function notObservableSection(causes) {
  if (causes.length === 0) return null;
  return h('section', { 'data-key': 'unseen', id: 'not-observable' }, h('h3', {}, 'What cannot be told'),
    h('p', { class: 'dim' }, 'Neither present nor absent: the signals were not streamed.'),
    h('ul', {}, causes.map((one) => h('li', {}, badge('?', causeWords(one.cause), 'unknown'),
      ` needs ${list(one.missing ?? [], 20) || 'other signals'}`))));
}

function verdictLine(diagnosis) {
  const evaluated = Number(diagnosis.evaluatedThroughStep ?? 0);
  if (evaluated < 0) return notice('unknown', 'Nothing was streamed that a diagnosis could rest on.');
  const faults = (diagnosis.findings ?? []).filter((finding) => finding.isFault).length;
  const through = `through step ${count(evaluated)}`;
  if (faults > 0) return notice('bad', h('strong', {}, plural(faults, 'fault')), ` found, ${through}.`);
  const blind = (diagnosis.notObservable ?? []).length;
  if (blind > 0) {
    return notice('unknown', `No fault found ${through}, but ${plural(blind, 'cause')} could not be looked for.`);
  }
  return notice('fine', `No fault found ${through}.`);
}

/** DiagnoseRunResponse as a report. */
export function diagnosisReport(run, diagnosis) {
  return h('div', { class: 'report' },
    verdictLine(diagnosis),
    outcomeSection(diagnosis.remedyOutcome),
    (diagnosis.findings ?? []).map((finding) => findingCard(run, finding)),
    consequenceSection(run, diagnosis.consequences),
    notObservableSection(diagnosis.notObservable ?? []));
}
