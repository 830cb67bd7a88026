// The retained windows of a layer's signals as courses over steps.

import { h } from './dom.js';
import { count, optional, percent } from './format.js';
import { createPlot } from './plots.js';
import { align, historyPoints, historyRatio, logSeries, seriesWords, signalOf, windowRms } from './profile_model.js';

const NEEDED = ['OUTPUT_GRADIENT', 'WEIGHT_GRADIENT', 'WEIGHT', 'WEIGHT_UPDATE'];

const firing = (window) => optional(window.firingRatio);

// Draws courses on a logarithmic axis, and says what that cannot show.
function updateLog(plot, labels, courses) {
  const columns = align(courses);
  const series = columns.slice(1).map(logSeries);
  const streamed = courses.map((course) => course.steps.length > 0);
  const words = labels.map((label, i) => (streamed[i]
    ? seriesWords(label, { ...series[i], streamed: series[i].values.length }, 'window') : `${label}: not streamed`));
  const isEmpty = series.every((one) => one.values.every((value) => value === null));
  plot.update(isEmpty ? null : [columns[0], ...series.map((one) => one.values)],
    words.filter(Boolean).join('. ') || `${count(columns[0].length)} windows.`);
}

export function createLayerPlots({ scope, run, layer }) {
  const firingPlot = createPlot({
    id: 'firing', title: 'Firing ratio over steps', series: ['firing ratio'], isShare: true, points: true,
    formatY: (x) => percent(x), about: 'Mean over the units of firings per observation, for each retained window.',
  });
  const updatePlot = createPlot({
    id: 'update-ratio', title: 'Update ratio over steps', series: ['update ratio'], log: true, points: true,
    about: 'Size of an update over the size of the weights. About 0.001 is usual; above 0.1 kills.',
  });
  const rmsLabels = ['output gradient', 'weight gradient', 'weight'];
  const rmsPlot = createPlot({
    id: 'rms', title: 'Size over steps', series: rmsLabels, log: true, points: true,
    about: 'Root mean square of each retained window, log scale.',
  });
  const plots = [firingPlot, updatePlot, rmsPlot];

  async function windowsOf(report, signal) {
    if (!signalOf(report, signal)) return [];
    return scope.all('GetLayerHistory', { runId: run, layer, signal: `SIGNAL_${signal}`, pageSize: 500 }, 'windows');
  }

  return {
    element: h('div', { class: 'plots' }, plots.map((plot) => plot.element)),
    async update(report) {
      const health = String(report.healthSignal ?? '').replace('SIGNAL_', '');
      const [fires, ...rest] = await Promise.all([health, ...NEEDED].map((signal) => windowsOf(report, signal)));
      const course = historyPoints(fires, firing);
      const known = course.values.filter((value) => value !== null);
      firingPlot.update(known.length > 0 ? [course.steps, course.values] : null,
        known.length > 0 ? `Newest: ${percent(known.at(-1))}.` : 'Not streamed, or firing is not defined for it.');
      const [output, gradient, weight, update] = rest.map((windows) => historyPoints(windows, windowRms));
      updateLog(updatePlot, ['update ratio'], [historyRatio(update, weight)]);
      updateLog(rmsPlot, rmsLabels, [output, gradient, weight]);
    },
    fail() {
      for (const plot of plots) plot.fail();
    },
    dispose() {
      for (const plot of plots) plot.dispose();
    },
  };
}
