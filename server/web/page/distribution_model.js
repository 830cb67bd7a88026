// The distribution of values as columns of equal width in their logarithm.

import { real, whole } from './format.js';

// The server is asked for no more bins than it takes by itself, 64.
const MOST_COLUMNS = 64;

// Bins of this factor from one to another.
function distance(from, to, factor) {
  return Math.round(Math.log(to.to / from.to) / Math.log(factor));
}

// Bins of one sign by ascending |value|, empty ones between them included.
function filled(bins, factor) {
  const columns = [];
  for (const bin of bins) {
    const gap = columns.length > 0 ? distance(columns.at(-1), bin, factor) - 1 : 0;
    for (let i = 0; i < Math.min(gap, MOST_COLUMNS); ++i) {
      const edge = columns.at(-1).to;
      columns.push({ from: edge, to: edge * factor, values: 0 });
    }
    columns.push(bin);
  }
  return columns;
}

/**
 * GetDistributionResponse as {negative, positive, zero}: columns {from, to, values} in
 * ascending order of value.
 */
export function distributionColumns(answer) {
  const bins = (answer.counts ?? []).map((values, i) => ({
    from: real(answer.lowerBounds?.[i]), to: real(answer.upperBounds?.[i]), values: whole(values),
  }));
  const spans = bins.map(({ from, to }) => (from < 0 ? from / to : to / from));
  // That of most: bounds at the ends of the range of doubles are cut off.
  const known = spans.filter((span) => Number.isFinite(span) && span > 1).sort((a, b) => a - b);
  const factor = known[Math.floor(known.length / 2)] ?? 2;
  const mirrored = bins.filter(({ from }) => from < 0).reverse()
    .map(({ from, to, values }) => ({ from: -to, to: -from, values }));
  return {
    negative: filled(mirrored, factor).reverse().map(({ from, to, values }) => ({ from: -to, to: -from, values })),
    positive: filled(bins.filter(({ from }) => from >= 0), factor),
    zero: whole(answer.zeroValues),
  };
}

/** What the tallest bar stands for: of many exact zeros the bar is cut, or the rest would be flat. */
export function tallestOf({ negative, positive, zero }) {
  const most = Math.max(0, ...[...negative, ...positive].map((column) => column.values));
  return most > 0 ? most : Math.max(1, zero);
}

/** The quantile of a level; null where it was not told. */
export function quantileOf(answer, level) {
  const at = (answer.quantileLevels ?? []).findIndex((each) => Math.abs(real(each) - level) < 1e-9);
  return at < 0 ? null : real(answer.quantiles?.[at]);
}
