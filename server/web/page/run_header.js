// The head of a run: state, progress, and what is alarming, before anything else.

import { h } from './dom.js';
import { ago, count, list, localTime, number, percent, plural, share, step, whole } from './format.js';
import { deadOfRun, unitsIn } from './layer_flags.js';
import { badge, deadFact, facts, runStateBadge } from './parts.js';
import { address } from './route.js';

function alarmLine(glyph, title, run, reports, text) {
  if (reports.length === 0) return null;
  const names = reports.map((report) => report.layer?.name ?? '');
  return h('p', { class: 'alarm-line', 'data-key': title, 'data-alarm': title },
    badge(glyph, title, 'alarm'), ' ',
    names.slice(0, 3).flatMap((name, i) => [i > 0 ? ', ' : '', h('a', { href: address(run.runId, name) }, name)]),
    names.length > 3 ? ` and ${count(names.length - 3)} more` : '', `: ${text}`);
}

function silenceLine(run) {
  return h('p', { class: 'alarm-line mild', 'data-alarm': 'silent', 'data-key': 'silent' },
    badge('⏸', 'Silent', 'warn'),
    ` nothing came from this run since ${localTime(run.lastSeen)}; what is below is as of then`);
}

function alarms(run, reports) {
  return [
    alarmLine('✕', 'Collapsed', run, reports.filter((report) => report.collapsed),
      'no gradient passes, so the layers before cannot recover'),
    alarmLine('∞', 'NaN or infinity', run, reports.filter((report) => unitsIn(report, 'NON_FINITE') > 0),
      'nothing else can be said of these units'),
    run.state === 'RUN_STATE_SILENT' ? silenceLine(run) : null,
  ];
}

function attemptText(run) {
  const attempt = run.attempts?.at(-1);
  if (!attempt) return 'none yet';
  const resumed = whole(attempt.resumeStep);
  return `${attempt.number ?? 1}${resumed > 0 ? `, resumed at step ${count(resumed)}` : ''}`;
}

function sourcesText(run) {
  const attempt = run.attempts?.at(-1);
  if (!attempt) return 'unknown';
  return `${attempt.sourcesConnected ?? 0} of ${attempt.sourceCount ?? 0} connected`;
}

function scalarFacts(scalars = {}) {
  const first = ['loss', 'learning_rate', 'gradient_norm'];
  const names = [...first.filter((name) => name in scalars),
    ...Object.keys(scalars).filter((name) => !first.includes(name)).sort()];
  return names.slice(0, 12).map((name) => [name.replaceAll('_', ' '), number(scalars[name]), `scalar ${name}`]);
}

function labels(run) {
  // The server sends a map, in no order.
  const pairs = Object.entries(run.labels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  if (pairs.length === 0 && !run.remedyOf) return null;
  return h('p', { class: 'dim labels' },
    pairs.map(([name, value]) => h('span', { class: 'label' }, `${name}=${value}`)),
    run.remedyOf ? ['remedies ', h('a', { href: address(run.remedyOf) }, run.remedyOf)] : null);
}

/** How much is not known, so that nobody takes silence for health. */
function unknownText(reports) {
  const totals = ['SILENT', 'UNKNOWN', 'UNOBSERVED', 'NON_FINITE'].map((state) =>
    [state, reports.reduce((sum, report) => sum + unitsIn(report, state), 0)]);
  const blind = reports.filter((report) => report.observability !== 'OBSERVABILITY_OBSERVABLE').length;
  const parts = totals.filter(([, units]) => units > 0)
    .map(([state, units]) => `${count(units)} ${state.toLowerCase().replace('_', ' ')}`);
  if (blind > 0) parts.push(`${plural(blind, 'layer')} not observable`);
  const all = reports.reduce((sum, report) => sum + whole(report.layer?.unitCount), 0);
  const units = totals.reduce((sum, [, some]) => sum + some, 0);
  if (parts.length === 0) return 'nothing';
  return `${list(parts)}${units > 0 ? ` (${percent(share(units, all))})` : ''}`;
}

function lastSeen(run) {
  const attributes = { datetime: run.lastSeen, title: localTime(run.lastSeen) };
  return h('time', attributes, ago(run.lastSeen, Date.now()));
}

/** `reports`: of its layers, as far as they are here. */
export function runHeader(run, reports) {
  const isKnown = reports.length > 0;
  return h('div', {},
    h('h1', { tabindex: '-1' }, run.runId ?? ''),
    labels(run),
    alarms(run, reports),
    facts([
      ['State', runStateBadge(run.state), 'state'],
      ['Last step', h('strong', { class: 'big', id: 'last-step' }, step(run.lastStep ?? 0)), 'last-step'],
      ['Dead', isKnown ? deadFact(deadOfRun(reports)) : 'loading', 'dead'],
      ['Not known', isKnown ? unknownText(reports) : 'loading', 'not-known'],
      ['Layers', count(whole(run.layerCount)), 'layers'],
      ['Units', count(whole(run.unitCount)), 'units'],
      ['Attempt', attemptText(run), 'attempt'],
      ['Sources', sourcesText(run), 'sources'],
      ['Last seen', lastSeen(run), 'last-seen'],
      ['First seen', localTime(run.firstSeen), 'first-seen'],
      ...scalarFacts(run.scalars),
    ], { id: 'run-facts' }));
}
