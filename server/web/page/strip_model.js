// Strips of units as rectangles to draw and as words.

import { count } from './format.js';
import { STATES, stateOf } from './vocabulary.js';

const RANK = new Map(STATES.map((state, i) => [state.id, i]));

/** Rows of a strip, the gravest state first. */
export function rowsByGravity(strip) {
  return [...(strip.rows ?? [])].sort((a, b) => (RANK.get(a.state) ?? -1) - (RANK.get(b.state) ?? -1));
}

export function bucketCount(strip) {
  const perBucket = Number(strip.unitsPerBucket ?? 1) || 1;
  return Math.ceil(Number(strip.unitCount ?? 0) / perBucket);
}

/** [first, last] unit of a bucket. */
export function bucketUnits(strip, bucket) {
  const perBucket = Number(strip.unitsPerBucket ?? 1) || 1;
  const first = bucket * perBucket;
  return [first, Math.min(first + perBucket, Number(strip.unitCount ?? 0)) - 1];
}

/**
 * Parts of 1 that the states of a bucket take, the gravest first: {state, units,
 * from, to}. A dead unit is seen however many live beside it: no part of a bad
 * state is less than `least`.
 */
export function bucketParts(rows, bucket, least = 0) {
  const present = rows.map((row) => ({ state: row.state, units: Number(row.units?.[bucket] ?? 0) }))
    .filter((part) => part.units > 0);
  const total = present.reduce((sum, part) => sum + part.units, 0);
  const sizes = present.map((part) =>
    Math.max(part.units / total, stateOf(part.state).tone === 'bad' ? least : 0));
  const whole = sizes.reduce((sum, size) => sum + size, 0);
  let from = 0;
  return present.map((part, i) => {
    const to = i + 1 === present.length ? 1 : from + sizes[i] / whole;
    const placed = { ...part, from, to };
    from = to;
    return placed;
  });
}

/** "units 128 to 135: 3 dead, 5 alive" */
export function bucketWords(strip, bucket) {
  const [first, last] = bucketUnits(strip, bucket);
  const place = first === last ? `unit ${count(first)}` : `units ${count(first)} to ${count(last)}`;
  const parts = bucketParts(rowsByGravity(strip), bucket);
  if (parts.length === 0) return `${place}: not observable`;
  if (first === last) return `${place}: ${stateOf(parts[0].state).label}`;
  return `${place}: ${parts.map((part) => `${count(part.units)} ${stateOf(part.state).label}`).join(', ')}`;
}

/** The most buckets that `width` pixels can show. */
export function bucketsFor(width, pixelsPerBucket = 4) {
  return Math.max(1, Math.min(1024, Math.floor(width / pixelsPerBucket)));
}

/** What the reports say of a layer's units, the gravest first: [[state, units]]. */
export function reportTotals(report) {
  return (report.unitsByState ?? []).map((row) => [row.state, Number(row.units ?? 0)])
    .filter(([, units]) => units > 0)
    .sort((a, b) => (RANK.get(a[0]) ?? -1) - (RANK.get(b[0]) ?? -1));
}
