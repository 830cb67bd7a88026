// Gradients and updates by depth, from the reports of the layers.

import { optional, real, whole } from './format.js';

/** The newest window of a signal of a layer; undefined where it was not streamed. */
export function signalOf(report, signal, phase = 'PHASE_TRAIN') {
  return (report.signals ?? []).find((one) => one.signal === `SIGNAL_${signal}` && one.phase === phase);
}

/** Whether a window holds NaN and infinity only: its figures are 0 then, and mean nothing. */
export function isAllNonFinite(window) {
  return whole(window.nonFinite) > 0 && real(window.meanAbsolute) === 0 && real(window.rootMeanSquare) === 0;
}

/** Root mean square of a window over what is finite; NaN where nothing is. */
export function windowRms(window) {
  return isAllNonFinite(window) ? NaN : real(window.rootMeanSquare);
}

/** Root mean square of a signal; null where it was not streamed. */
export function rmsOf(report, signal) {
  const found = signalOf(report, signal);
  return found ? windowRms(found) : null;
}

/** rms(WEIGHT_UPDATE) / rms(WEIGHT); null where one of them was not streamed or the weights are all 0. */
export function updateRatio(report) {
  return ratio(rmsOf(report, 'WEIGHT_UPDATE'), rmsOf(report, 'WEIGHT'));
}

export function ratio(above, below) {
  if (above === null || below === null || below === undefined) return null;
  return below === 0 ? null : above / below;
}

/**
 * Values as a logarithmic axis can show them: null for what has no logarithm.
 * Counts what that hides: {values, streamed, zeros, nonFinite}.
 */
export function logSeries(values) {
  const series = { values: [], streamed: 0, zeros: 0, nonFinite: 0 };
  for (const value of values) {
    const isShown = value !== null && Number.isFinite(value) && value > 0;
    series.values.push(isShown ? value : null);
    if (value === null) continue;
    series.streamed += 1;
    if (value === 0) series.zeros += 1;
    else if (!Number.isFinite(value)) series.nonFinite += 1;
  }
  return series;
}

/** What a reader has to know of a series beside its line. */
export function seriesWords(label, series, noun = 'layer') {
  const many = (n) => `${n} ${noun}${n === 1 ? '' : 's'}`;
  if (series.streamed === 0) return `${label}: not streamed`;
  const parts = [];
  if (series.zeros > 0) parts.push(`exactly 0 in ${many(series.zeros)}, which no log scale shows`);
  if (series.nonFinite > 0) parts.push(`NaN or infinity in ${many(series.nonFinite)}`);
  if (series.streamed < series.values.length) {
    parts.push(`not streamed for ${many(series.values.length - series.streamed)}`);
  }
  return parts.length > 0 ? `${label}: ${parts.join('; ')}` : '';
}

/** Windows of GetLayerHistory as points: the last step of each, and a value of it. */
export function historyPoints(windows, valueOf) {
  const steps = [];
  const values = [];
  for (const window of windows) {
    const end = optional(window.windowEndStep) ?? 0;
    const value = valueOf(window);
    steps.push(Math.max(0, end - 1));
    values.push(value);
  }
  return { steps, values };
}

/** The quotient of two histories, at the steps that both have. */
export function historyRatio(parts, wholes) {
  const above = new Map(parts.steps.map((step, i) => [step, parts.values[i]]));
  const below = new Map(wholes.steps.map((step, i) => [step, wholes.values[i]]));
  const steps = parts.steps.filter((step) => below.has(step));
  return { steps, values: steps.map((step) => ratio(above.get(step), below.get(step))) };
}

/** Series over different steps on one axis of steps: [steps, values…], null where a series has no value. */
export function align(courses) {
  const steps = [...new Set(courses.flatMap((course) => course.steps))].sort((a, b) => a - b);
  const place = new Map(steps.map((step, i) => [step, i]));
  const columns = courses.map((course) => {
    const column = new Array(steps.length).fill(null);
    course.steps.forEach((step, i) => {
      column[place.get(step)] = course.values[i];
    });
    return column;
  });
  return [steps, ...columns];
}
