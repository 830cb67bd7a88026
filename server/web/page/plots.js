// Plots that fit their place, follow the theme, and say in words what they show.

import uPlot from './uPlot.esm.js';

import { h } from './dom.js';
import { count, number } from './format.js';
import { colour, onTheme } from './theme.js';

const HEIGHT = 190;
const DASHES = [[], [6, 4], [2, 3]];
const COLOURS = ['--plot-1', '--plot-2', '--plot-3'];

const FONT = '11px system-ui, sans-serif';

function axisOf(format, size) {
  return {
    stroke: () => colour('--dim'),
    grid: { stroke: () => colour('--grid'), width: 1 },
    ticks: { stroke: () => colour('--grid'), width: 1 },
    font: FONT,
    size,
    values: (plot, splits) => splits.map((split) => (split === null ? '' : format(split))),
  };
}

// A scale that is not empty where all values are equal.
function shareRange(plot, min, max) {
  return [0, Math.min(1, Math.max(0.01, (max ?? 0) * 1.15))];
}

// uPlot's own logarithmic axis runs out of memory where gradients vanish over a
// hundred decades: it gets logarithms and a linear axis instead.
const WHOLE_DECADES = [1, 2, 5, 10, 20, 50, 100];

function logarithms([xs, ...series]) {
  return [xs, ...series.map((values) => values.map((value) => (value > 0 ? Math.log10(value) : null)))];
}

// NaN and infinity are gaps: a line through them would be made up.
function finite([xs, ...series]) {
  return [xs, ...series.map((values) => values.map((value) => (Number.isFinite(value) ? value : null)))];
}

function logRange(plot, min, max) {
  return min === null ? [-1, 0] : [Math.floor(min), Math.max(Math.floor(min) + 1, Math.ceil(max))];
}

function optionsOf(spec, width, onCursor) {
  const y = spec.log ? { range: logRange } : spec.isShare ? { range: shareRange } : {};
  const formatY = spec.log ? (x) => number(10 ** x) : spec.formatY ?? number;
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { drag: { x: true, y: false }, points: { size: 7 } },
    scales: { x: { time: false }, y },
    axes: [
      { ...axisOf((x) => (spec.wholeX && !Number.isInteger(x) ? '' : count(x)), 30), space: 60 },
      { ...axisOf(formatY, 62), ...(spec.log ? { incrs: WHOLE_DECADES } : {}) },
    ],
    series: [{}, ...spec.series.map((label, i) => ({
      label,
      stroke: () => colour(COLOURS[i]),
      width: 1.75,
      dash: DASHES[i],
      spanGaps: !spec.gaps,
      points: { show: spec.points ?? undefined, size: 5 },
      paths: spec.stepped ? uPlot.paths.stepped({ align: 1 }) : undefined,
    }))],
    hooks: { setCursor: [onCursor] },
  };
}

function seriesKey(spec) {
  if (spec.series.length < 2) return null;
  return h('ul', { class: 'plot-key' }, spec.series.map((label, i) =>
    h('li', {}, h('span', { class: `dash dash-${i + 1}`, 'aria-hidden': 'true' }), label)));
}

/**
 * A plot: {id, title, about, series, log, isShare, stepped, points, wholeX, formatX,
 * formatY}. `update(data, words)` takes the columns of uPlot, or null where there
 * is nothing to draw; `words` says what is seen, or why nothing is.
 */
export function createPlot(spec) {
  const host = h('div', { class: 'plot-host', role: 'img', 'aria-label': spec.title });
  const readout = h('p', { class: 'plot-readout dim', 'aria-hidden': 'true' }, spec.about);
  const caption = h('p', { class: 'plot-words', 'data-plot-words': spec.id }, 'Loading…');
  const element = h('figure', { class: 'plot card', id: `plot-${spec.id}`, 'data-plot': spec.id, 'data-own': true },
    h('figcaption', {}, h('h3', {}, spec.title), seriesKey(spec), caption), host, readout);
  // What is drawn, and what the reader is told of it.
  let plot = null;
  let data = null;
  let drawn = null;
  let lastText = '';

  function onCursor(self) {
    const i = self.cursor.idx;
    if (i === null || i === undefined) {
      readout.textContent = spec.about;
      return;
    }
    const values = spec.series.map((label, k) => {
      const value = data[k + 1][i];
      return `${label} ${value === null || value === undefined ? 'none' : (spec.formatY ?? number)(value)}`;
    });
    readout.textContent = `${(spec.formatX ?? ((x) => `step ${count(x)}`))(data[0][i])}: ${values.join(', ')}`;
  }

  function build() {
    plot?.destroy();
    plot = null;
    const width = host.clientWidth;
    if (data && width > 0) plot = new uPlot(optionsOf(spec, width, onCursor), drawn, host);
  }

  const observer = new ResizeObserver(() => {
    if (!plot) build();
    else if (plot.width !== host.clientWidth) plot.setSize({ width: host.clientWidth, height: HEIGHT });
  });
  observer.observe(host);
  const offTheme = onTheme(build);

  return {
    element,
    update(fresh, words) {
      caption.textContent = words;
      host.setAttribute('aria-label', `${spec.title}. ${words}`);
      element.dataset.empty = String(fresh === null);
      const text = JSON.stringify(fresh);
      if (text === lastText) return;
      lastText = text;
      data = fresh;
      drawn = fresh && (spec.log ? logarithms(fresh) : finite(fresh));
      // A plot that the reader zoomed into stays where it is.
      if (plot && data) plot.setData(drawn, !isZoomed(plot));
      else build();
    },
    /** Its data did not come: what was drawn before stays. */
    fail() {
      if (lastText === '') caption.textContent = 'Not shown.';
    },
    dispose() {
      offTheme();
      observer.disconnect();
      plot?.destroy();
      plot = null;
    },
  };
}

function isZoomed(plot) {
  const steps = plot.data[0];
  const { min, max } = plot.scales.x;
  return steps.length > 1 && (min > steps[0] || max < steps.at(-1));
}
