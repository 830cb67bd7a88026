// How the units of a layer are distributed over one figure.

import { barChart } from './bars.js';
import { h } from './dom.js';
import { number, plural, real, whole } from './format.js';

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
  const columns = [
    // No logarithmic bin holds what is exactly 0.
    { size: zero, text: `exactly 0: ${plural(zero, 'unit')}`, kind: 'zero' },
    { size: 0, text: '', kind: null },
    ...bars.map(({ from, to, units }) =>
      ({ size: units, text: `${number(from)} to ${number(to)}: ${plural(units, 'unit')}`, kind: '' })),
  ];
  const marks = [{ column: 0, text: '= 0', anchor: 'start' }];
  if (bars.length > 0) {
    marks.push({ column: Math.max(2, columns.length / 15), text: number(bars[0].from), anchor: 'start' });
    marks.push({ column: columns.length, text: number(bars.at(-1).to), anchor: 'end' });
  }
  return barChart(`${title}: ${words(zero, 0, total)}`, columns, marks);
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
