// One strip per layer: which of its units are in which state. Only strips in sight
// are asked for, page by page, and never more buckets than there are pixels.

import { isAbort } from './api.js';
import { h, renew } from './dom.js';
import { count, plural } from './format.js';
import { deadOf, layerFlags } from './layer_flags.js';
import { bucketAt, paintStrip, paintSwatch } from './paint.js';
import { badge, shareBar } from './parts.js';
import { address } from './route.js';
import { bucketWords, bucketsFor, reportTotals } from './strip_model.js';
import { onTheme } from './theme.js';
import { createVirtualList } from './virtual.js';
import { STATES, stateOf } from './vocabulary.js';

const PAGE_SIZE = 40;
const STRIP_HEIGHT = 18;
const MOST_FLAGS = 2;
const NARROW = window.matchMedia('(max-width: 760px)');

/** The states that are there, each with its pattern; all others on demand. */
export function legend(totals) {
  const present = new Map(totals);
  const entry = (state, units) => h('li', { 'data-key': state.id, 'data-legend': state.id },
    h('canvas', { class: 'swatch', 'data-own': true, 'data-swatch': state.id, 'aria-hidden': 'true' }),
    h('span', { class: 'glyph', 'aria-hidden': 'true' }, state.glyph), ' ',
    h('strong', {}, state.label), units === undefined ? null : ` ${count(units)}`,
    h('span', { class: 'dim' }, ` ${state.meaning}`));
  const shown = STATES.filter((state) => present.has(state.id));
  return h('div', { class: 'legend' },
    h('ul', { class: 'legend-list', 'aria-label': 'Legend of the strips' },
      shown.map((state) => entry(state, present.get(state.id)))),
    h('details', { 'data-key': 'all-states' }, h('summary', {}, 'All states'),
      h('ul', { class: 'legend-list long' }, STATES.map((state) => entry(state)))));
}

export function paintLegend(root) {
  for (const canvas of root.querySelectorAll('canvas[data-swatch]')) paintSwatch(canvas, canvas.dataset.swatch);
}

/** What is under the pointer, in words, beside the pointer. */
export function stripTip(root, stripOf) {
  const tip = h('div', { class: 'tip', hidden: true, 'aria-hidden': 'true' });
  document.body.append(tip);
  root.addEventListener('pointermove', (event) => {
    const canvas = event.target.closest('canvas[data-strip]');
    const strip = canvas && stripOf(canvas.dataset.strip);
    tip.hidden = !strip;
    if (!strip) return;
    const box = canvas.getBoundingClientRect();
    tip.textContent = bucketWords(strip, bucketAt(strip, event.clientX - box.left, box.width));
    tip.style.left = `${Math.min(event.clientX + 12, window.innerWidth - 260)}px`;
    tip.style.top = `${event.clientY + 16}px`;
  });
  root.addEventListener('pointerleave', () => {
    tip.hidden = true;
  });
  return { dispose: () => tip.remove() };
}

/** A layer's units in words, for who does not see its strip. */
export function stripWords(name, totals, unitCount) {
  if (totals.length === 0) return `${name}: ${plural(unitCount, 'unit')}, health not observable`;
  return `${name}: ${totals.map(([state, units]) => `${count(units)} ${stateOf(state).label}`).join(', ')}`;
}

function flagsOf(report) {
  const flags = layerFlags(report);
  const rest = flags.slice(MOST_FLAGS).map(([, text]) => text);
  return h('span', { class: 'strip-flags' },
    flags.slice(0, MOST_FLAGS).map((flag) => badge(...flag)),
    rest.length > 0 ? h('span', { class: 'dim', title: rest.join(', ') }, `+${rest.length}`) : null);
}

// Pages of GetUnitMap: their tokens as they become known, and what they held.
function createMap(scope, run) {
  const tokens = [''];
  const strips = new Map();
  let buckets = 0;
  return {
    strip: (layer) => strips.get(layer),
    width(pixels) {
      const fit = bucketsFor(pixels);
      // Fewer pixels can draw more buckets; more pixels deserve more.
      if (fit <= buckets && fit > buckets / 2) return;
      buckets = fit;
      tokens.length = 1;
    },
    async load(page) {
      // A page's token is on the page before it.
      for (let i = Math.min(page, tokens.length - 1); i <= page && tokens[i] !== undefined; i += 1) {
        const answer = await scope.call('GetUnitMap', {
          runId: run, maxBuckets: buckets || 128, pageSize: PAGE_SIZE, pageToken: tokens[i],
        });
        for (const strip of answer.strips ?? []) strips.set(strip.layer, strip);
        if (answer.nextPageToken) tokens[i + 1] = answer.nextPageToken;
      }
    },
    forget: () => {
      tokens.length = 1;
    },
  };
}

export function createStrips({ scope, run, onFailure }) {
  const map = createMap(scope, run);
  const body = h('div', { class: 'strips', role: 'list', 'data-own': true });
  const scroller = h('div', {
    class: 'region strips-region', role: 'region', 'aria-label': 'Strips of the layers', tabindex: '0', id: 'strips',
  }, body);
  const legendBox = h('div', {});
  const element = h('div', { 'data-own': true }, legendBox, scroller);
  const tip = stripTip(scroller, map.strip);
  let reports = [];
  let loading = null;
  // What was asked for while a load is at work: null for nothing, or whether all anew.
  let wanted = null;

  function row(i) {
    const report = reports[i];
    const name = report.layer?.name ?? '';
    const dead = deadOf(report);
    const href = address(run, name);
    return h('div', {
      class: 'strip-row', role: 'listitem', 'data-key': name, 'data-layer': name,
      'aria-setsize': reports.length, 'aria-posinset': i + 1,
    },
    h('a', { class: 'strip-name', href, title: name }, name),
    h('canvas', {
      class: 'strip', 'data-own': true, 'data-strip': name, role: 'img',
      'aria-label': stripWords(name, reportTotals(report), Number(report.layer?.unitCount ?? 0)),
    }),
    h('span', { class: 'strip-share' }, shareBar(dead?.dead, dead?.total, dead?.open)),
    flagsOf(report));
  }

  // What each canvas shows: the strip as it was asked for, the width and the theme.
  const painted = new WeakMap();

  function paint() {
    const { theme } = document.documentElement.dataset;
    for (const canvas of body.querySelectorAll('canvas[data-strip]')) {
      const strip = map.strip(canvas.dataset.strip);
      const width = canvas.clientWidth;
      if (!strip || width === 0) continue;
      const last = painted.get(canvas);
      if (last && last.strip === strip && last.width === width && last.theme === theme) continue;
      painted.set(canvas, { strip, width, theme });
      paintStrip(canvas, strip, width, STRIP_HEIGHT);
      canvas.dataset.painted = 'true';
    }
  }

  async function loadVisible(fresh) {
    const { first, end } = list.range();
    const width = body.querySelector('canvas[data-strip]')?.clientWidth ?? 0;
    if (end === 0 || width === 0) return;
    map.width(width);
    for (let page = Math.floor(first / PAGE_SIZE); page * PAGE_SIZE < end; page += 1) {
      const layers = reports.slice(page * PAGE_SIZE, (page + 1) * PAGE_SIZE);
      if (!fresh && layers.every((report) => map.strip(report.layer?.name))) continue;
      await map.load(page);
      paint();
    }
  }

  async function loadWanted() {
    try {
      while (wanted !== null) {
        const fresh = wanted;
        wanted = null;
        await loadVisible(fresh);
      }
    } catch (error) {
      map.forget();
      throw error;
    } finally {
      wanted = null;
      loading = null;
    }
  }

  // One load at a time; what is wanted meanwhile is looked at afterwards, and who
  // wanted it waits for that too.
  function work(fresh) {
    wanted = (wanted ?? false) || fresh;
    // Not at once: who shows new reports looks at the range and wants all of it anew.
    loading ??= Promise.resolve().then(loadWanted);
    return loading;
  }

  const list = createVirtualList({
    scroller,
    body,
    row,
    spacer: (pixels, key) => h('div', { 'aria-hidden': 'true', 'data-key': key, css: { height: `${pixels}px` } }),
    rowHeight: () => (NARROW.matches ? 62 : 28),
    onRange() {
      paint();
      work(false).catch((error) => {
        if (!isAbort(error)) onFailure(error);
      });
    },
  });
  const offTheme = onTheme(() => {
    paint();
    paintLegend(legendBox);
  });

  return {
    element,
    /** Shows these reports; asks for the strips in sight anew. */
    async update(fresh) {
      reports = fresh;
      const totals = new Map();
      for (const report of reports) {
        for (const [state, units] of reportTotals(report)) totals.set(state, (totals.get(state) ?? 0) + units);
      }
      renew(legendBox, h('div', {}, legend([...totals])));
      paintLegend(legendBox);
      list.update(reports.length);
      await work(true);
    },
    dispose() {
      offTheme();
      list.dispose();
      tip.dispose();
    },
  };
}
