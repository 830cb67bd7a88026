// One layer: its units, what its verdicts rest on, and how it came to be so.

import { ApiError, createScope, isAbort } from './api.js';
import { distributionFigure } from './distribution.js';
import { delegate, h, renew } from './dom.js';
import { createEventSource, createEvents } from './events.js';
import { exportActions, exportButtons } from './export.js';
import { whole } from './format.js';
import { histogramFigure } from './histogram.js';
import { unitsIn } from './layer_flags.js';
import { certificateText, layerFacts, signalsTable, statesTable } from './layer_parts.js';
import { createLayerPlots } from './layer_plots.js';
import { createPoller } from './live.js';
import { bucketAt, paintStrip } from './paint.js';
import { absence, failure } from './parts.js';
import { address } from './route.js';
import { bucketUnits, bucketsFor, reportTotals } from './strip_model.js';
import { legend, paintLegend, stripTip, stripWords } from './strips.js';
import { onTheme } from './theme.js';
import { createUnits } from './units.js';
import { createWatch } from './watch.js';

const STRIP_HEIGHT = 44;
const FIGURES = [
  ['firing-rate', 'FIRING_RATE', 'Firing rate', 'Firings per observation over the horizon.'],
  ['dormancy', 'DORMANCY_SCORE', 'Dormancy score',
    'Mean size of a unit over the mean of the layer; 0.025 or less is dormant.'],
];

function section(id, title, ...content) {
  return h('section', { id, class: 'part', 'aria-labelledby': `${id}-title` },
    h('h2', { id: `${id}-title` }, title), content);
}

// The strip of the layer, larger than in the run; a click opens the units under it.
function createStrip({ scope, run, layer }) {
  const canvas = h('canvas', { class: 'strip large', role: 'img', 'data-strip': layer, 'data-own': true });
  const legendBox = h('div', {});
  const element = h('div', {}, canvas, legendBox);
  let strip = null;

  function paint() {
    if (strip && canvas.clientWidth > 0) paintStrip(canvas, strip, canvas.clientWidth, STRIP_HEIGHT);
    paintLegend(legendBox);
  }

  const tip = stripTip(element, () => strip);
  const observer = new ResizeObserver(paint);
  observer.observe(canvas);
  const offTheme = onTheme(paint);
  canvas.addEventListener('click', (event) => {
    if (!strip) return;
    const box = canvas.getBoundingClientRect();
    const [first] = bucketUnits(strip, bucketAt(strip, event.clientX - box.left, box.width));
    location.hash = address(run, layer, first);
  });
  return {
    element,
    async update(report) {
      canvas.setAttribute('aria-label', stripWords(layer, reportTotals(report), whole(report.layer?.unitCount)));
      renew(legendBox, h('div', {}, legend(reportTotals(report))));
      const maxBuckets = bucketsFor(canvas.clientWidth || 512);
      const answer = await scope.call('GetUnitMap', { runId: run, layer, maxBuckets });
      strip = answer.strips?.[0] ?? null;
      paint();
    },
    dispose() {
      offTheme();
      observer.disconnect();
      tip.dispose();
    },
  };
}

export function layerView(context, { run: runId, layer }) {
  const scope = createScope();
  const place = { scope, run: runId, layer };
  const strip = createStrip(place);
  const plots = createLayerPlots(place);
  const units = createUnits(place);
  const events = createEventSource(scope, runId, layer);
  const eventsPart = createEvents(place);
  const watch = createWatch();
  let isShown = false;
  let firstSeen = null;

  const box = () => h('div', {});
  const boxes = {
    facts: box(),
    strip: box(),
    states: box(),
    certificate: box(),
    signals: box(),
    histograms: h('div', { class: 'plots' }),
    values: h('div', { class: 'plots' }),
    units: box(),
    events: box(),
    plots: box(),
  };
  const parts = h('div', { hidden: true },
    section('layer-strip', 'Map of the units', boxes.strip, strip.element),
    h('div', { class: 'two' },
      section('layer-states', 'States', boxes.states),
      section('layer-certificate', 'Certificate and life', boxes.certificate)),
    section('layer-units', 'Unit by unit', boxes.units, exportButtons(['units']), units.element),
    section('layer-signals', 'Signals, newest window', boxes.signals),
    section('layer-histograms', 'Distribution of the units', boxes.histograms),
    section('layer-values', 'Distribution of the values', boxes.values),
    section('layer-courses', 'Course', boxes.plots, plots.element),
    section('layer-events', 'What happened', boxes.events, eventsPart.element));
  const element = h('section', { class: 'view', id: 'layer-view', 'data-layer-view': layer },
    h('h1', { tabindex: '-1' }, layer), boxes.facts, parts);

  function missing(text) {
    poller.dispose();
    context.status.show('missing', 'no such layer');
    scope.dispose();
    element.replaceChildren(absence('This layer is not known', text, address(runId), 'To the run'));
  }

  // Each part tells of its own failure; the absence of the server is everyone's.
  async function part(where, work) {
    try {
      await work();
      if (where !== boxes.histograms && where !== boxes.values) renew(where, h('div', {}));
    } catch (error) {
      if (isAbort(error) || !(error instanceof ApiError) || error.isOfServer) throw error;
      renew(where, h('div', {}, failure(error)));
    }
  }

  function drawReport(report) {
    renew(boxes.facts, h('div', {}, layerFacts(runId, report)));
    renew(boxes.states, h('div', {}, statesTable(report)));
    renew(boxes.certificate, h('div', {}, certificateText(report)));
    renew(boxes.signals, h('div', {}, signalsTable(report)));
    parts.hidden = false;
  }

  async function loadHistograms() {
    const answers = await Promise.all(FIGURES.map(([, figure]) =>
      scope.call('GetHistogram', { runId, layer, figure: `UNIT_FIGURE_${figure}` })));
    renew(boxes.histograms, h('div', {}, FIGURES.map(([id, , title, about], i) =>
      histogramFigure(id, title, about, answers[i]))));
  }

  async function loadValues(report) {
    const signals = report.signals ?? [];
    const answers = await Promise.all(signals.map(({ signal, phase }) =>
      scope.call('GetDistribution', { runId, layer, signal, phase })));
    renew(boxes.values, h('div', {}, signals.map((signal, i) => distributionFigure(signal, answers[i]))));
  }

  async function loadPlots(report) {
    try {
      await plots.update(report);
    } catch (error) {
      plots.fail();
      throw error;
    }
  }

  async function loadAll(report, lastStep) {
    const start = performance.now();
    try {
      await Promise.all([
        part(boxes.strip, () => strip.update(report)),
        part(boxes.units, () => units.update(reportTotals(report))),
        part(boxes.histograms, loadHistograms),
        part(boxes.values, () => loadValues(report)),
        part(boxes.plots, () => loadPlots(report)),
        part(boxes.events, events.load),
      ]);
    } catch (error) {
      watch.failed();
      throw error;
    }
    const known = events.all();
    if (known) eventsPart.update(known, { lastStep, born: unitsIn(report, 'BORN_DEAD') });
    watch.done(start);
  }

  async function load() {
    const { run = {} } = await scope.call('GetRun', { runId });
    // A run of this name that was begun anew has none of these events.
    if (firstSeen !== null && firstSeen !== run.firstSeen) events.restart();
    firstSeen = run.firstSeen ?? null;
    if (watch.isDue(run)) {
      const { layer: report = {} } = await scope.call('GetLayer', { runId, layer });
      isShown = true;
      drawReport(report);
      await loadAll(report, whole(run.lastStep));
    }
    return { state: run.state === 'RUN_STATE_ENDED' ? 'ended' : 'live', isFresh: watch.isCurrent(run) };
  }

  function onError(error) {
    if (error.isFinal && !isShown) {
      missing(`The server says: ${error.message}.`);
      return true;
    }
    watch.failed();
    return context.onError(error);
  }

  delegate(element, 'click', exportActions(place));
  const poller = createPoller({ load, status: context.status, onError, isPaused: context.isPaused });
  return {
    title: `${layer} of ${runId}`,
    element,
    changed: poller.changed,
    dispose() {
      poller.dispose();
      scope.dispose();
      strip.dispose();
      plots.dispose();
    },
  };
}
