// What stands out of a layer, as flags beside its strip.

import { count, whole } from './format.js';
import { DEAD_STATES } from './vocabulary.js';

export function unitsIn(report, ...states) {
  const ids = states.map((state) => (state.startsWith('HEALTH_') ? state : `HEALTH_STATE_${state}`));
  return (report.unitsByState ?? []).filter((row) => ids.includes(row.state))
    .reduce((sum, row) => sum + whole(row.units), 0);
}

export function isObservable(report) {
  return report.observability === 'OBSERVABILITY_OBSERVABLE';
}

// States that say nothing of whether a unit lives, and those that leave it open.
const UNSAID = ['NON_FINITE', 'UNOBSERVED', 'UNKNOWN'];
const OPEN = [...UNSAID, 'SILENT', 'DEAD_ON_SET'];

/**
 * Dead units of those of the layer, and those that are neither called dead nor seen
 * alive: {dead, total, open}. Null where nothing can be said of any unit.
 */
export function deadOf(report) {
  if (!isObservable(report)) return null;
  const total = (report.unitsByState ?? []).reduce((sum, row) => sum + whole(row.units), 0);
  if (total === unitsIn(report, ...UNSAID)) return null;
  return { dead: unitsIn(report, ...DEAD_STATES), total, open: unitsIn(report, ...OPEN) };
}

/** Dead and observable units of all layers; null where none can be told. */
export function deadOfRun(reports) {
  const known = reports.map(deadOf).filter(Boolean);
  if (known.length === 0) return null;
  return {
    dead: known.reduce((sum, one) => sum + one.dead, 0),
    total: known.reduce((sum, one) => sum + one.total, 0),
    open: reports.reduce((sum, report) => sum + unitsIn(report, ...OPEN), 0),
  };
}

function coverageText(coverage) {
  const received = coverage?.shardsReceived ?? 0;
  const expected = coverage?.shardsExpected ?? 0;
  return expected > 0 && received < expected ? `${received} of ${expected} shards` : '';
}

/** [glyph, text, tone], the gravest first. */
export function layerFlags(report) {
  const flags = [];
  const add = (holds, ...flag) => {
    if (holds) flags.push(flag);
  };
  const nonFinite = unitsIn(report, 'NON_FINITE');
  const coverage = coverageText(report.coverage);
  const some = (state) => unitsIn(report, state);
  add(report.collapsed, '✕', 'collapsed', 'alarm');
  add(nonFinite > 0, '∞', `${count(nonFinite)} NaN`, 'alarm');
  add(!isObservable(report), '?', 'not observable', 'unknown');
  add(coverage, '◍', coverage, 'warn');
  add(some('DEAD_ON_SET') > 0, '⊠', `${count(some('DEAD_ON_SET'))} dead on set`, 'warn');
  add(some('DYING') > 0, '◔', `${count(some('DYING'))} dying`, 'warn');
  add(some('SATURATED') > 0, '▣', `${count(some('SATURATED'))} saturated`, 'warn');
  add(some('GRADIENT_STARVED') > 0, '↯', `${count(some('GRADIENT_STARVED'))} starved`, 'warn');
  add(some('SILENT') > 0, '◌', `${count(some('SILENT'))} silent`, 'unknown');
  add(some('UNKNOWN') > 0, '?', `${count(some('UNKNOWN'))} unknown`, 'unknown');
  add(some('UNOBSERVED') > 0, '○', `${count(some('UNOBSERVED'))} unobserved`, 'unknown');
  add(whole(report.provenUnits) > 0, '∎', `${count(whole(report.provenUnits))} proven`, 'unknown');
  return flags;
}
