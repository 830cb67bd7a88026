// The frame of the page: one view at a time, by the address.

import { createScope, isAbort, token } from './api.js';
import { h, renew } from './dom.js';
import { localTime } from './format.js';
import { layerView } from './layer.js';
import { createStatus } from './live.js';
import { address, parseRoute } from './route.js';
import { runView } from './run.js';
import { runsView } from './runs.js';
import { startTheme } from './theme.js';
import { tokenForm } from './token.js';
import { unitView } from './unit.js';
import { words } from './vocabulary.js';

const VIEWS = { runs: runsView, run: runView, layer: layerView, unit: unitView, missing: missingView };

const byId = (id) => document.getElementById(id);
const main = byId('main');
const pauseButton = byId('pause');

let view = null;
let isPaused = false;

const status = createStatus({
  status: byId('live-status'), glyph: byId('live-glyph'), text: byId('live-text'), refreshed: byId('refreshed'),
});

function missingView() {
  return {
    title: 'Not found',
    element: h('section', { class: 'view' }, h('h1', { tabindex: '-1' }, 'There is no such view'),
      h('p', {}, h('a', { href: address() }, 'To the runs'))),
    dispose() {},
  };
}

function crumb(text, href, isLast) {
  return h('li', {}, isLast ? h('span', { 'aria-current': 'page' }, text) : h('a', { href }, text));
}

function showCrumbs({ run, layer, unit }) {
  const trail = [['Runs', address()]];
  if (run !== undefined) trail.push([run, address(run)]);
  if (layer !== undefined) trail.push([layer, address(run, layer)]);
  if (unit !== undefined) trail.push([`unit ${unit}`, address(run, layer, unit)]);
  const items = trail.map(([text, href], i) => crumb(text, href, i + 1 === trail.length));
  renew(byId('crumbs'), h('nav', {}, h('ol', {}, items)));
}

function show(next, moveFocus) {
  view?.dispose();
  view = next;
  main.replaceChildren(next.element);
  document.title = next.title === 'Runs' ? 'Firekeeper' : `${next.title} · Firekeeper`;
  if (!moveFocus) return;
  window.scrollTo(0, 0);
  main.querySelector('h1')?.focus({ preventScroll: true });
}

function lock(wasRefused) {
  status.show('locked');
  show(tokenForm({
    wasRefused,
    onToken(text) {
      token.set(text);
      showServer();
      open(true);
    },
  }), true);
}

const context = {
  status,
  isPaused: () => isPaused,
  /** Answers true where the error is the reader's to mend. */
  onError(error) {
    if (error.status !== 401) return false;
    const wasRefused = token.get() !== '';
    token.clear();
    // Not while the view that failed is still at work.
    queueMicrotask(() => lock(wasRefused));
    return true;
  },
};

function open(moveFocus) {
  const route = parseRoute(location.hash);
  status.clear();
  showCrumbs(route);
  show(VIEWS[route.view](context, route), moveFocus);
}

function onPause() {
  isPaused = !isPaused;
  pauseButton.dataset.paused = String(isPaused);
  pauseButton.textContent = isPaused ? 'Resume' : 'Pause';
  view?.changed?.();
}

function infoText(info) {
  const parts = [`Firekeeper ${info.version ?? ''}`];
  if (info.tenant) parts.push(`tenant ${info.tenant}`);
  if (info.durability) parts.push(`durability ${words(info.durability, 'DURABILITY_')}`);
  if (info.kernelTarget) parts.push(`kernel ${info.kernelTarget}`);
  if (info.started) parts.push(`up since ${localTime(info.started)}`);
  return parts.join(' · ');
}

async function showServer() {
  try {
    byId('server-info').textContent = infoText(await createScope().call('GetServerInfo'));
  } catch (error) {
    // The views tell what is wrong; the foot of the page is no place for it.
    if (isAbort(error)) throw error;
  }
}

byId('skip-link').addEventListener('click', (event) => {
  event.preventDefault();
  (main.querySelector('h1') ?? main).focus();
});
pauseButton.addEventListener('click', onPause);
window.addEventListener('hashchange', () => open(true));
startTheme(byId('theme'));
showServer();
open(false);
