// The plots of a run: dead share and loss over steps, gradients and updates by depth.

import { h } from './dom.js';
import { count, number, percent, real, whole } from './format.js';
import { shareCourse } from './events_model.js';
import { createPlot } from './plots.js';
import { logSeries, rmsOf, seriesWords, updateRatio } from './profile_model.js';

function lossWords(values) {
  const last = values.at(-1);
  const bad = values.filter((value) => !Number.isFinite(value)).length;
  const newest = `Newest: ${number(last)}.`;
  return bad > 0 ? `${newest} NaN or infinity at ${count(bad)} of ${count(values.length)} steps.` : newest;
}

function createSharePlot() {
  const plot = createPlot({
    id: 'dead-share', title: 'Dead share over steps', series: ['dead share'], isShare: true, stepped: true,
    formatY: (x) => percent(x), about: 'Deaths minus revivals, of all units whose health is observable.',
  });
  return {
    ...plot,
    /** `events`: null where they did not come. */
    update(events, dead, lastStep) {
      if (!events) {
        plot.fail();
        return;
      }
      const course = dead && shareCourse(events, { dead: dead.dead, observable: dead.total, lastStep });
      if (!course) {
        plot.update(null, 'Unknown: of no unit can be told whether it is dead.');
        return;
      }
      plot.update([course.steps, course.shares],
        `Now ${percent(dead.dead / dead.total)}: ${count(dead.dead)} of ${count(dead.total)} units.`);
    },
  };
}

function createLossPlot() {
  const plot = createPlot({
    id: 'loss', title: 'Loss over steps', series: ['loss'], gaps: true,
    about: 'The scalar "loss", as the trainer streamed it.',
  });
  return {
    ...plot,
    /** `history`: GetScalarResponse, empty where the loss was not streamed. */
    update(history) {
      const steps = (history.steps ?? []).map(whole);
      const values = (history.values ?? []).map(real);
      if (steps.length === 0) plot.update(null, 'Not streamed.');
      else plot.update([steps, values.map((x) => (Number.isFinite(x) ? x : null))], lossWords(values));
    },
  };
}

// Over depth: a value for each layer and series, on a logarithmic axis.
function createDepthPlot(spec, valuesOf) {
  let names = [];
  const plot = createPlot({
    ...spec, log: true, points: true, wholeX: true,
    formatX: (x) => `layer ${x}, ${names[x] ?? ''}`,
  });
  return {
    ...plot,
    update(reports) {
      names = reports.map((report) => report.layer?.name ?? '');
      const all = valuesOf(reports).map(logSeries);
      const words = all.map((series, i) => seriesWords(spec.series[i], series)).filter(Boolean);
      const isEmpty = all.every((series) => series.values.every((value) => value === null));
      const data = isEmpty ? null : [names.map((_, i) => i), ...all.map((series) => series.values)];
      plot.update(data, words.length > 0 ? `${words.join('. ')}.` : `${count(names.length)} layers.`);
    },
  };
}

export function createRunPlots() {
  const share = createSharePlot();
  const loss = createLossPlot();
  const gradients = createDepthPlot({
    id: 'gradients', title: 'Gradients by depth', series: ['output gradient', 'weight gradient'],
    about: 'Root mean square of each layer, first layer left, newest window, log scale.',
  }, (reports) => ['OUTPUT_GRADIENT', 'WEIGHT_GRADIENT'].map((signal) =>
    reports.map((report) => rmsOf(report, signal))));
  const updates = createDepthPlot({
    id: 'updates', title: 'Update ratio by depth', series: ['update ratio'],
    about: 'Size of one update over the size of the weights. About 0.001 is usual; above 0.1 kills.',
  }, (reports) => [reports.map(updateRatio)]);
  const plots = [share, loss, gradients, updates];
  return {
    element: h('div', { class: 'plots' }, plots.map((plot) => plot.element)),
    update({ events, dead, lastStep, reports }) {
      share.update(events, dead, lastStep);
      gradients.update(reports);
      updates.update(reports);
    },
    updateLoss: loss.update,
    failLoss: loss.fail,
    dispose() {
      for (const plot of plots) plot.dispose();
    },
  };
}
