// One run: what became of its neurons, why, and what to do.

import { ApiError, createScope, isAbort } from './api.js';
import { delegate, h, renew } from './dom.js';
import { createEventSource, createEvents } from './events.js';
import { exportActions, exportButtons } from './export.js';
import { bytes, count, plural, whole } from './format.js';
import { deadOfRun, unitsIn } from './layer_flags.js';
import { createPoller } from './live.js';
import { absence, failure } from './parts.js';
import { diagnosisReport } from './report.js';
import { address } from './route.js';
import { runHeader } from './run_header.js';
import { createRunPlots } from './run_plots.js';
import { createStrips } from './strips.js';
import { createWatch } from './watch.js';

const PAGE_SIZE = 100;

function section(id, title, ...content) {
  return h('section', { id, class: 'part', 'aria-labelledby': `${id}-title` },
    h('h2', { id: `${id}-title` }, title), content);
}

function countersText(counters = {}) {
  const names = [['snapshotsAccepted', 'accepted'], ['snapshotsDuplicate', 'sent again'], ['snapshotsCopies', 'copies'],
    ['snapshotsConflicting', 'conflicting'], ['snapshotsRejected', 'rejected'], ['snapshotsGap', 'dropped by clients'],
    ['fenced', 'streams fenced']];
  const parts = names.filter(([name]) => whole(counters[name]) > 0)
    .map(([name, text]) => `${count(whole(counters[name]))} ${text}`);
  return parts.length > 0 ? `Snapshots: ${parts.join(', ')}; ${bytes(counters.payloadBytes)} received.` : '';
}

export function runView(context, { run: runId }) {
  const scope = createScope();
  const events = createEventSource(scope, runId);
  const eventsPart = createEvents({ run: runId });
  const plots = createRunPlots();
  const stripsFailure = h('div', {});
  const eventsFailure = h('div', {});
  const lossFailure = h('div', {});
  const strips = createStrips({
    scope,
    run: runId,
    // Of a server that is away or busy the status tells, and what was known stays.
    onFailure: (error) => error.isOfServer || renew(stripsFailure, h('div', {}, failure(error))),
  });
  const watch = createWatch();
  let reports = [];
  let run = null;

  const header = h('div', { id: 'run-header' },
    h('h1', { tabindex: '-1' }, runId), h('p', { class: 'dim' }, 'Loading…'));
  const diagnosis = h('div', { id: 'diagnosis-report' });
  const counters = h('p', { class: 'dim', id: 'counters' });
  const layersSummary = h('p', { class: 'dim', id: 'layers-summary' });
  const parts = h('div', { class: 'run-grid', hidden: true },
    section('diagnosis', 'Diagnosis', diagnosis),
    h('div', { class: 'column' },
      section('layers', 'Layers', layersSummary, stripsFailure, strips.element),
      section('events-part', 'What happened', eventsFailure, eventsPart.element),
      section('plots', 'Course and profile', lossFailure, plots.element),
      section('export', 'Export', exportButtons(['run', 'diagnosis']), counters)));
  const element = h('section', { class: 'view', id: 'run-view', 'data-run': runId }, header, parts);

  function missing(text) {
    poller.dispose();
    context.status.show('missing', 'no such run');
    scope.dispose();
    element.replaceChildren(absence('This run is not known', text, address(), 'To the runs'));
  }

  function drawHeader() {
    renew(header, runHeader(run, reports));
    counters.textContent = countersText(run.counters);
  }

  // Each part tells of its own failure; the absence of the server is everyone's.
  async function part(box, work) {
    try {
      await work();
    } catch (error) {
      if (isAbort(error) || !(error instanceof ApiError) || error.isOfServer) throw error;
      renew(box, h('div', {}, failure(error)));
    }
  }

  function drawMeasured() {
    const lastStep = whole(run.lastStep);
    const born = reports.reduce((sum, report) => sum + unitsIn(report, 'BORN_DEAD'), 0);
    const known = events.all();
    if (known) eventsPart.update(known, { lastStep, born });
    plots.update({ events: known, dead: deadOfRun(reports), lastStep, reports });
  }

  async function loadLayers() {
    reports = await scope.all('ListLayers', { runId, pageSize: PAGE_SIZE }, 'layers');
    layersSummary.textContent = `${plural(reports.length, 'layer')}, the first on top; a cell is a unit or some units `
      + 'side by side.';
    drawHeader();
    await strips.update(reports);
    renew(stripsFailure, h('div', {}));
  }

  async function loadEvents() {
    await events.load();
    renew(eventsFailure, h('div', {}));
  }

  async function loadLoss() {
    try {
      plots.updateLoss(await scope.call('GetScalar', { runId, name: 'loss' }));
    } catch (error) {
      plots.failLoss();
      throw error;
    }
    renew(lossFailure, h('div', {}));
  }

  async function loadAll() {
    const start = performance.now();
    try {
      await Promise.all([
        part(diagnosis, async () => renew(diagnosis,
          h('div', {}, diagnosisReport(runId, await scope.call('DiagnoseRun', { runId }))))),
        part(stripsFailure, loadLayers),
        part(eventsFailure, loadEvents),
        part(lossFailure, loadLoss),
      ]);
    } catch (error) {
      watch.failed();
      throw error;
    }
    drawMeasured();
    watch.done(start);
  }

  async function load() {
    const before = run;
    run = (await scope.call('GetRun', { runId })).run ?? {};
    if (before && before.firstSeen !== run.firstSeen) events.restart();
    parts.hidden = false;
    drawHeader();
    if (watch.isDue(run)) await loadAll();
    return { state: run.state === 'RUN_STATE_ENDED' ? 'ended' : 'live', isFresh: watch.isCurrent(run) };
  }

  function onError(error) {
    // A server that forgot the run may be on its way back: keep what is shown.
    if (error.isFinal && !run) {
      missing(`The server says: ${error.message}.`);
      return true;
    }
    return context.onError(error);
  }

  delegate(element, 'click', exportActions({ scope, run: runId }));
  const poller = createPoller({ load, status: context.status, onError, isPaused: context.isPaused });
  return {
    title: runId,
    element,
    changed: poller.changed,
    dispose() {
      poller.dispose();
      scope.dispose();
      strips.dispose();
      plots.dispose();
    },
  };
}
