// Keeps a view up to date: asks again and again, says how fresh the data is, waits
// while nobody looks, and goes on by itself when the server is back.

import { ApiError, isAbort } from './api.js';
import { localTime } from './format.js';

const INTERVAL_MS = 2000;
const ENDED_INTERVAL_MS = 15_000;
const MOST_AFTER_FAILURE_MS = 10_000;
// Share of the time in which one open page asks.
const BUSY_SHARE = 0.25;

const TEXT = {
  loading: ['◌', 'Loading'],
  live: ['●', 'Live'],
  ended: ['■', 'Run ended'],
  paused: ['⏸', 'Paused'],
  busy: ['▲', 'Server busy, retrying'],
  retrying: ['▲', 'Server not reachable, retrying'],
  problem: ['▲', 'The server answered with an error, retrying'],
  locked: ['🔒', 'Token needed'],
  missing: ['?', 'Not found'],
};

/** Milliseconds until the next look, when the last took `took` and `failures` went wrong in a row. */
export function nextDelay(state, took, failures) {
  if (failures > 0) return Math.min(MOST_AFTER_FAILURE_MS, 1000 * 2 ** Math.min(failures - 1, 4));
  const base = state === 'ended' ? ENDED_INTERVAL_MS : INTERVAL_MS;
  return Math.max(base, took * (1 / BUSY_SHARE - 1));
}

/** The status line at the top of the page, which all views share. */
export function createStatus(elements) {
  const { status, glyph, text, refreshed } = elements;
  return {
    show(state, detail = '') {
      const [mark, phrase] = TEXT[state];
      const full = detail ? `${phrase}: ${detail}` : phrase;
      status.dataset.state = state;
      glyph.textContent = mark;
      // The same words again would be read aloud again.
      if (text.textContent !== full) text.textContent = full;
    },
    fresh() {
      const now = Date.now();
      refreshed.textContent = localTime(now).slice(11);
      refreshed.dateTime = new Date(now).toISOString();
      refreshed.title = `Data as of ${localTime(now)}`;
    },
    clear() {
      refreshed.textContent = 'not yet';
      refreshed.removeAttribute('datetime');
    },
  };
}

// What the status line says of a failure: [state, detail].
function failureStatus(error) {
  if (!(error instanceof ApiError)) return ['problem', ''];
  if (error.status === 401) return ['locked', ''];
  if (error.isBusy) return ['busy', ''];
  return error.isUnreachable ? ['retrying', ''] : ['problem', error.message];
}

/**
 * Calls `load` now and then. It answers {state, isFresh}: "live" or "ended", and
 * whether all that is shown is as of now; it throws where there is nothing new to
 * show. `onError(error)` may answer true: it is no use to go on.
 */
export function createPoller({ load, status, onError, isPaused }) {
  let timer = 0;
  let failures = 0;
  let state = 'live';
  let busy = false;
  let disposed = false;

  const mayRun = () => !document.hidden && !isPaused();

  function schedule(ms) {
    clearTimeout(timer);
    if (!disposed && mayRun()) timer = setTimeout(look, ms);
  }

  async function look() {
    if (busy || disposed) return;
    busy = true;
    const start = performance.now();
    let stop = false;
    try {
      const loaded = await load();
      state = loaded.state;
      failures = 0;
      if (disposed) return;
      if (loaded.isFresh) status.fresh();
      status.show(mayRun() ? state : 'paused');
    } catch (error) {
      stop = isAbort(error) || disposed;
      if (stop) return;
      failures += 1;
      if (!(error instanceof ApiError)) console.error(error);
      stop = onError?.(error) === true;
      // Who has nothing more to ask has said so; and nobody retries while paused.
      if (disposed) return;
      if (mayRun() || error.status === 401) status.show(...failureStatus(error));
      else status.show('paused');
    } finally {
      busy = false;
      if (!stop) schedule(nextDelay(state, performance.now() - start, failures));
    }
  }

  function onChange() {
    clearTimeout(timer);
    if (disposed) return;
    if (mayRun()) look();
    else status.show('paused');
  }

  document.addEventListener('visibilitychange', onChange);
  status.show('loading');
  look();
  return {
    changed: onChange,
    now: look,
    dispose() {
      disposed = true;
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', onChange);
    },
  };
}
