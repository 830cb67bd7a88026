// How the values of a signal are distributed, from the sketch of a window.

import { barChart } from './bars.js';
import { distributionColumns, quantileOf, tallestOf } from './distribution_model.js';
import { h } from './dom.js';
import { count, number, percent, plural, share, whole } from './format.js';
import { phaseWords, signalWords } from './vocabulary.js';

const GAP = { size: 0, text: '', kind: null };
// Columns that a mark under the axis needs on either side.
const ROOM = 8;

function words(answer, zero) {
  const median = quantileOf(answer, 0.5);
  return [
    `median ${number(median)}`,
    `98\u00a0% from ${number(quantileOf(answer, 0.01))} to ${number(quantileOf(answer, 0.99))}`,
    `${percent(share(zero, whole(answer.values)))} exactly\u00a00`.replace(' %', '\u00a0%'),
  ].join(' · ');
}

function source(answer, columns) {
  const values = whole(answer.values);
  const observations = whole(answer.observations);
  const of = values === observations ? 'All' : `A sample of ${count(values)} of`;
  const tallest = tallestOf(columns);
  return `${of} ${plural(observations, 'value')} in steps `
    + `[${count(whole(answer.firstStep))}, ${count(whole(answer.endStep))})${answer.windowOpen ? ', still open' : ''}. `
    + 'Log scale to both sides of 0: columns span equal factors, and the ends are their edges. '
    + `The tallest bar is ${plural(tallest, 'value')}${columns.zero > tallest ? ', that of exact zeros is cut' : ''}.`;
}

function drawing(label, distribution) {
  const { negative, positive, zero } = distribution;
  const column = ({ from, to, values }) =>
    ({ size: values, text: `${number(from)} to ${number(to)}: ${plural(values, 'value')}`, kind: '' });
  const below = negative.length > 0 ? [...negative.map(column), GAP] : [];
  const columns = [
    ...below,
    { size: zero, text: `exactly 0: ${plural(zero, 'value')}`, kind: 'zero' },
    GAP,
    ...positive.map(column),
  ];
  const at = below.length;
  const marks = [{ column: at === 0 ? 0 : at + 0.5, text: '= 0', anchor: at === 0 ? 'start' : 'middle' }];
  if (at >= ROOM) marks.push({ column: 0, text: number(negative[0].from), anchor: 'start' });
  if (positive.length >= ROOM) {
    marks.push({ column: columns.length, text: number(positive.at(-1).to), anchor: 'end' });
  }
  return barChart(label, columns, marks, tallestOf(distribution));
}

/** GetDistributionResponse of `signal`, a SignalReport, as a figure. */
export function distributionFigure(signal, answer) {
  const columns = distributionColumns(answer);
  const title = `${signalWords(signal.signal)}, ${phaseWords(signal.phase)}`;
  const isEmpty = whole(answer.values) === 0;
  const text = isEmpty ? 'The sender gave no values of this signal.' : words(answer, columns.zero);
  return h('figure', {
    class: 'card', 'data-key': `${signal.signal} ${signal.phase}`, 'data-distribution': signal.signal,
  },
  h('figcaption', {}, h('h3', {}, title), h('p', { class: 'plot-words' }, text)),
  isEmpty ? null : [drawing(`${title}: ${text}`, columns), h('p', { class: 'dim' }, source(answer, columns))]);
}
