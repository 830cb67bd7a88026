// How the units of a layer are distributed over one figure.

import { h, s } from './dom.js';
import { number, plural, real, whole } from './format.js';

const WIDTH = 420;
const HEIGHT = 130;
const BARS = 60;

/** At most `most` bars: neighbouring bins are taken together. [{from, to, units}] */
export function histogramBars(histogram, most = BARS) {
  const bins = (histogram.units ?? []).map((units, i) => ({
    from: real(histogram.lowerBounds?.[i]), to: real(histogram.upperBounds?.[i]), units: whole(units),
  }));
  const size = Math.max(1, Math.ceil(bins.length / most));
  const bars = [];
  for (let i = 0; i < bins.length; i += size) {
    const group = bins.slice(i, i + size);
    bars.push({ from: group[0].from, to: group.at(-1).to, units: group.reduce((sum, bin) => sum + bin.units, 0) });
  }
  return bars;
}

function words(zero, unknown, total) {
  const parts = [`${plural(total, 'unit')} above 0`, `${plural(zero, 'unit')} exactly 0`];
  if (unknown > 0) parts.push(`${plural(unknown, 'unit')} unknown`);
  return parts.join(' · ');
}

function drawing(title, bars, zero, total) {
  const most = Math.max(1, zero, ...bars.map((bar) => bar.units));
  // The first column is for what is exactly 0: no logarithmic bin holds it.
  const columns = bars.length + 2;
  const width = WIDTH / columns;
  const bar = (x, units, kind, text) => {
    const height = units === 0 ? 0 : Math.max(2, (units / most) * HEIGHT);
    return s('rect', { class: `bar ${kind}`, x: x * width, y: HEIGHT - height, width: Math.max(1, width - 1), height },
      s('title', {}, text));
  };
  return s('svg', {
    class: 'histogram', viewBox: `0 0 ${WIDTH} ${HEIGHT + 18}`, role: 'img',
    'aria-label': `${title}: ${words(zero, 0, total)}`,
  },
  bar(0, zero, 'zero', `exactly 0: ${plural(zero, 'unit')}`),
  bars.map((one, i) => bar(i + 2, one.units, '',
    `${number(one.from)} to ${number(one.to)}: ${plural(one.units, 'unit')}`)),
  s('line', { class: 'lane-line', x1: 0, x2: WIDTH, y1: HEIGHT, y2: HEIGHT }),
  s('text', { class: 'axis-text', x: 0, y: HEIGHT + 14 }, '= 0'),
  bars.length > 0 ? [
    s('text', { class: 'axis-text', x: Math.max(28, 2 * width), y: HEIGHT + 14 }, number(bars[0].from)),
    s('text', { class: 'axis-text', x: WIDTH, y: HEIGHT + 14, 'text-anchor': 'end' }, number(bars.at(-1).to)),
  ] : null);
}

/** GetHistogramResponse as a figure. */
export function histogramFigure(id, title, about, histogram) {
  const bars = histogramBars(histogram);
  const zero = whole(histogram.zeroUnits);
  const unknown = whole(histogram.unknownUnits);
  const total = bars.reduce((sum, bar) => sum + bar.units, 0);
  const tallest = Math.max(zero, ...bars.map((bar) => bar.units));
  const isEmpty = total + zero === 0;
  return h('figure', { class: 'card', 'data-key': id, id: `histogram-${id}`, 'data-histogram': id },
    h('figcaption', {}, h('h3', {}, title),
      h('p', { class: 'plot-words' },
        isEmpty ? `Unknown for ${plural(unknown, 'unit')}.` : words(zero, unknown, total))),
    isEmpty ? null : drawing(title, bars, zero, total),
    h('p', { class: 'dim' }, about, isEmpty ? '' : ` The tallest bar is ${plural(tallest, 'unit')}.`));
}
