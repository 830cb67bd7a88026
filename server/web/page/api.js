// The JSON API: one request at a time, patient with a busy server, and none left
// over from a view that was left.

import { createKeep } from './storage.js';

const MOST_AT_A_TIME = 1;
const TRIES = 6;
const TIMEOUT_MS = 30_000;
const TOKEN_KEY = 'firekeeper-token';

/** A refusal of the server, or its absence (status 0). */
export class ApiError extends Error {
  constructor(status, message, details = {}) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
    this.details = details;
  }

  get isUnreachable() {
    return this.status === 0 || (this.status >= 502 && !this.isBusy);
  }

  /** It has more queries than it takes; what was known still holds. */
  get isBusy() {
    return this.status === 503;
  }

  /** Of the server and not of what was asked for: it is away, busy, or wants a token. */
  get isOfServer() {
    return this.isUnreachable || this.isBusy || this.status === 401;
  }

  /** What was asked for is not there, or cannot be: it is no use to ask again. */
  get isFinal() {
    return this.status === 400 || this.status === 404;
  }
}

export function isAbort(error) {
  return error?.name === 'AbortError';
}

const keep = createKeep('sessionStorage');

export const token = {
  get: () => keep.get(TOKEN_KEY) ?? '',
  set: (text) => keep.set(TOKEN_KEY, text),
  clear: () => keep.remove(TOKEN_KEY),
};

/** The query of a request; a list becomes a parameter for each entry. */
export function queryText(parameters) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value === undefined || value === null || value === '') continue;
    for (const one of Array.isArray(value) ? value : [value]) query.append(name, String(one));
  }
  return query.toString();
}

/** Milliseconds to wait before try `attempt` (from 0) is repeated. */
export function backoff(attempt, random = Math.random()) {
  return Math.min(4000, 250 * 2 ** attempt) * (0.5 + random);
}

function aborted() {
  return new DOMException('The view was left', 'AbortError');
}

function sleep(ms, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(aborted());
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, ms);
    signal.addEventListener('abort', stop, { once: true });
  });
}

const waiting = [];
let running = 0;

function release() {
  running -= 1;
  waiting.shift()?.();
}

async function acquire(signal) {
  while (running >= MOST_AT_A_TIME) {
    await new Promise((resolve) => {
      const go = () => {
        signal.removeEventListener('abort', leave);
        resolve();
      };
      const leave = () => {
        const at = waiting.indexOf(go);
        if (at >= 0) waiting.splice(at, 1);
        resolve();
      };
      waiting.push(go);
      signal.addEventListener('abort', leave, { once: true });
    });
    if (signal.aborted) {
      // The place that was free for us is free for the next.
      if (running < MOST_AT_A_TIME) waiting.shift()?.();
      throw aborted();
    }
  }
  running += 1;
}

async function refusal(response) {
  let details = {};
  try {
    details = (await response.json()).error ?? {};
  } catch {
    // A proxy between us and the server answers what it likes.
  }
  return new ApiError(response.status, details.message ?? `the server answered ${response.status}`, details);
}

// One try; the signal of the view and the time limit both end it.
async function fetchOnce(url, signal) {
  const control = new AbortController();
  const stop = () => control.abort();
  signal.addEventListener('abort', stop, { once: true });
  const timer = setTimeout(stop, TIMEOUT_MS);
  try {
    const headers = { Accept: 'application/json' };
    if (token.get()) headers.Authorization = `Bearer ${token.get()}`;
    const response = await fetch(url, { headers, signal: control.signal, cache: 'no-store', credentials: 'omit' });
    if (!response.ok) throw await refusal(response);
    return await response.json();
  } catch (error) {
    if (signal.aborted) throw aborted();
    if (error instanceof ApiError) throw error;
    throw new ApiError(0, 'the server cannot be reached');
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  }
}

async function call(method, parameters, signal) {
  const query = queryText(parameters);
  const url = `api/v1/${method}${query ? `?${query}` : ''}`;
  for (let attempt = 0; ; attempt += 1) {
    if (signal.aborted) throw aborted();
    await acquire(signal);
    try {
      return await fetchOnce(url, signal);
    } catch (error) {
      if (error.status !== 503 || attempt + 1 >= TRIES) throw error;
    } finally {
      release();
    }
    await sleep(backoff(attempt), signal);
  }
}

/** What one view asks; `dispose` ends all of it. */
export function createScope() {
  const control = new AbortController();
  const scope = {
    signal: control.signal,
    call: (method, parameters = {}) => call(method, parameters, control.signal),
    /** Every page of a list, one after the other. */
    async* pages(method, parameters) {
      let pageToken = '';
      do {
        const page = await scope.call(method, { ...parameters, pageToken });
        yield page;
        pageToken = page.nextPageToken ?? '';
      } while (pageToken);
    },
    /** All entries of the field of all pages. */
    async all(method, parameters, field) {
      const entries = [];
      for await (const page of scope.pages(method, parameters)) entries.push(...(page[field] ?? []));
      return entries;
    },
    dispose: () => control.abort(),
  };
  return scope;
}
