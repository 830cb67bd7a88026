// Runs as rows of a table, and the order of the rows.

import { milliseconds, optional, share, whole } from './format.js';
import { causeWords } from './vocabulary.js';

const collator = new Intl.Collator('en', { numeric: true });

/** What the table shows of a run. A share that is not known is null, never 0. */
export function runRow(run, glance = {}) {
  const observable = whole(glance.observableUnits);
  const dead = whole(glance.deadUnits);
  const unsaid = whole(glance.unsaidUnits);
  const silent = whole(glance.openUnits);
  return {
    id: run.runId ?? '',
    state: run.state,
    lastStep: optional(run.lastStep) ?? 0,
    layers: whole(run.layerCount),
    units: whole(run.unitCount),
    isLooked: Boolean(glance.looked),
    dead,
    observable,
    unsaid,
    // SILENT or DEAD_ON_SET; with the others none of them is dead or alive for certain.
    silent,
    open: unsaid + silent,
    // Of units of which nothing can be said, 0 dead is no figure.
    deadShare: glance.looked && observable > unsaid ? share(dead, observable) : null,
    worstLayer: glance.worstLayer ?? '',
    worstShare: Number(glance.worstDeadShare ?? 0),
    collapsed: Number(glance.collapsedLayers ?? 0),
    nonFinite: Number(glance.nonFiniteLayers ?? 0),
    faults: (glance.faults ?? []).map(causeWords),
    lastSeen: run.lastSeen,
    lastSeenMs: milliseconds(run.lastSeen) || 0,
  };
}

// Runs that nobody has looked at come after those that are known to be well.
function badness(row) {
  return [row.collapsed > 0 ? 1 : 0, row.nonFinite > 0 ? 1 : 0, row.deadShare ?? -1, row.worstShare,
    row.faults.length];
}

function compareLists(a, b) {
  for (let i = 0; i < a.length; i += 1) {
    if (a[i] !== b[i]) return a[i] < b[i] ? -1 : 1;
  }
  return 0;
}

const KEYS = {
  worst: badness,
  state: (row) => [row.state ?? ''],
  step: (row) => [row.lastStep],
  units: (row) => [row.units],
  dead: (row) => [row.deadShare ?? -1],
  layer: (row) => [row.worstShare],
  faults: (row) => [row.faults.length],
  seen: (row) => [row.lastSeenMs],
};

/** A sorted copy. `by`: run or a key of KEYS; equals stay in order of the name. */
export function sortRuns(rows, { by, descending }) {
  const sign = descending ? -1 : 1;
  const names = (a, b) => collator.compare(a.id, b.id);
  if (by === 'run') return [...rows].sort((a, b) => sign * names(a, b));
  const key = KEYS[by];
  const keyed = rows.map((row) => ({ row, key: key(row) }));
  keyed.sort((a, b) => sign * compareLists(a.key, b.key) || names(a.row, b.row));
  return keyed.map(({ row }) => row);
}

/** Rows that hold every word of the text: in the name, the state, the worst layer or the faults. */
export function filterRuns(rows, text) {
  const wanted = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (wanted.length === 0) return rows;
  return rows.filter((row) => {
    const haystack = [row.id, row.state, row.worstLayer, ...row.faults,
      row.collapsed > 0 ? 'collapsed' : '', row.nonFinite > 0 ? 'nan non-finite' : ''].join('\n').toLowerCase();
    return wanted.every((word) => haystack.includes(word));
  });
}

/** How many runs are in which plight, for the line above the table. */
export function tally(rows) {
  const total = { runs: rows.length, active: 0, collapsed: 0, nonFinite: 0, faulty: 0, unknown: 0 };
  for (const row of rows) {
    if (row.state === 'RUN_STATE_ACTIVE') total.active += 1;
    if (row.collapsed > 0) total.collapsed += 1;
    if (row.nonFinite > 0) total.nonFinite += 1;
    if (row.faults.length > 0) total.faulty += 1;
    if (row.deadShare === null) total.unknown += 1;
  }
  return total;
}
