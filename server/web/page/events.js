// What happened: a time axis by step, and the list of events with filters.

import { delegate, h, renew, s } from './dom.js';
import { count, localTime, plural, step, whole } from './format.js';
import { createEventLog, eventStep, filterEvents, laneMarks } from './events_model.js';
import { badge, headRow, tableRegion } from './parts.js';
import { address } from './route.js';
import { EVENT_KINDS, LANES, causeWords, eventKind, severity } from './vocabulary.js';

const PAGE_SIZE = 500;
const SHOWN_AT_FIRST = 50;
const BINS = 180;
const LANE_HEIGHT = 20;
const LABEL_WIDTH = 84;
const WIDTH = 900;
const TONES = ['unknown', 'unknown', 'warn', 'alarm'];

/** The events of a run, or of one of its layers, of which only the new ones are asked for. */
export function createEventSource(scope, run, layer) {
  const log = createEventLog();
  let isLoaded = false;

  async function loadNew() {
    for (;;) {
      const page = await scope.call('ListEvents', { runId: run, layer, pageSize: PAGE_SIZE, pageToken: log.token() });
      if (!log.add(page)) break;
    }
    isLoaded = true;
  }

  function restart() {
    log.restart();
    isLoaded = false;
  }

  return {
    /** Null until all of them are here. */
    all: () => (isLoaded ? log.all() : null),
    restart,
    async load() {
      try {
        await loadNew();
      } catch (error) {
        // A server that was started anew may number them anew.
        if (error.status !== 400 || log.token() === '') throw error;
        restart();
        await loadNew();
      }
    },
  };
}

function markTitle(lane, mark, lastStep) {
  const at = Math.round((mark.bin / BINS) * (lastStep + 1));
  const units = lane.id === 'deaths' || lane.id === 'revivals' || lane.id === 'births';
  return `${lane.label}, from step ${count(at)}: ${units ? plural(mark.units, 'unit') : plural(mark.count, 'event')}`;
}

function axis(lastStep, top) {
  const ticks = lastStep > 0 ? [0, 0.25, 0.5, 0.75, 1] : [0];
  const inner = WIDTH - LABEL_WIDTH - 8;
  return ticks.map((part) => s('text', {
    class: 'axis-text', x: LABEL_WIDTH + part * inner, y: top + 14,
    'text-anchor': part === 0 ? 'start' : part === 1 ? 'end' : 'middle',
  }, count(Math.round(part * lastStep))));
}

function laneRow(lane, marks, index, lastStep) {
  const top = index * LANE_HEIGHT;
  const inner = WIDTH - LABEL_WIDTH - 8;
  const most = Math.max(1, ...marks.map((mark) => mark.units));
  const sized = lane.id === 'deaths' || lane.id === 'revivals';
  return s('g', { 'data-lane': lane.id },
    s('text', { class: 'axis-text', x: 0, y: top + 14 }, `${lane.glyph} ${lane.label}`),
    s('line', { class: 'lane-line', x1: LABEL_WIDTH, x2: WIDTH - 8, y1: top + LANE_HEIGHT, y2: top + LANE_HEIGHT }),
    marks.map((mark) => {
      const height = sized ? 4 + 13 * Math.sqrt(mark.units / most) : 14;
      return s('rect', {
        class: `mark lane-${lane.id} rank-${mark.rank}`, x: LABEL_WIDTH + (mark.bin / BINS) * inner,
        y: top + LANE_HEIGHT - height, width: Math.max(3, inner / BINS - 1), height,
      }, s('title', {}, markTitle(lane, mark, lastStep)));
    }));
}

/** The time axis. `born`: units that were dead before the first update. */
export function timeAxis(events, { lastStep, born }) {
  const lanes = laneMarks(events, { lastStep, bins: BINS, born });
  const height = LANES.length * LANE_HEIGHT + 20;
  const words = LANES.map((lane) => {
    const marks = lanes.get(lane.id) ?? [];
    const units = marks.reduce((sum, mark) => sum + mark.units, 0);
    const total = marks.reduce((sum, mark) => sum + mark.count, 0);
    return ['births', 'deaths', 'revivals'].includes(lane.id)
      ? `${lane.label.toLowerCase()}: ${plural(units, 'unit')}` : `${lane.label.toLowerCase()}: ${count(total)}`;
  });
  return h('div', { class: 'region', role: 'region', tabindex: '0', 'aria-label': 'Time axis by step' },
    s('svg', {
      class: 'time-axis', viewBox: `0 0 ${WIDTH} ${height}`, role: 'img',
      'aria-label': `Steps 0 to ${count(Math.max(0, lastStep))}. ${words.join('; ')}`,
    },
    LANES.map((lane, i) => laneRow(lane, lanes.get(lane.id) ?? [], i, lastStep)),
    axis(Math.max(0, lastStep), LANES.length * LANE_HEIGHT)));
}

function eventLine(event, run, hasLayer) {
  const level = severity(event.severity);
  const kind = eventKind(event.kind);
  const cause = event.cause ? ` (${causeWords(event.cause)})` : '';
  return h('tr', { 'data-key': event.eventId, 'data-event': event.eventId, 'data-kind': event.kind },
    h('td', { class: 'num' }, step(eventStep(event))),
    h('td', {}, badge(level.glyph, level.label, TONES[level.rank])),
    h('td', {}, kind.label + cause),
    hasLayer ? null : h('td', { class: 'name' },
      event.layer ? h('a', { href: address(run, event.layer), title: event.layer }, event.layer) : 'whole run'),
    h('td', { class: 'num' }, whole(event.unitCount) > 0 ? count(whole(event.unitCount)) : ''),
    h('td', { class: 'wide' }, event.message ?? ''),
    h('td', { class: 'num', title: localTime(event.time) }, localTime(event.time).slice(11) || 'unknown'));
}

function filters() {
  const option = (value, text) => h('option', { value }, text);
  return h('div', { class: 'fields' },
    h('div', { class: 'field' }, h('label', { for: 'event-kind' }, 'Kind'),
      h('select', { id: 'event-kind' }, option('', 'all'), EVENT_KINDS.map((kind) => option(kind.id, kind.label)))),
    h('div', { class: 'field' }, h('label', { for: 'event-severity' }, 'At least'),
      h('select', { id: 'event-severity' }, option('0', 'info'), option('2', 'warning'), option('3', 'critical'))),
    h('div', { class: 'field' }, h('label', { for: 'event-text' }, 'Holds'),
      h('input', { id: 'event-text', type: 'search', autocomplete: 'off' })));
}

/** The section of events; `update` shows what is known by then. */
export function createEvents({ run, layer }) {
  const titles = [['Step', 'num'], ['Severity'], ['What'], layer ? null : ['Layer'], ['Units', 'num'],
    ['Message', 'wide'], ['Time', 'num']].filter(Boolean);
  const fields = filters();
  const axisBox = h('div', { id: 'time-axis' });
  const listBox = h('div', { id: 'event-list' });
  const element = h('div', {}, axisBox, fields, listBox);
  const [kind, least, text] = fields.querySelectorAll('select, input');
  let events = [];
  let most = SHOWN_AT_FIRST;

  function drawList() {
    const matching = filterEvents(events, { kind: kind.value, rank: Number(least.value), text: text.value });
    const shown = matching.slice(0, most);
    const rest = matching.length - shown.length;
    const table = h('table', { class: 'rows', id: 'events' },
      h('caption', { class: 'unseen' }, 'Events'), headRow(titles),
      h('tbody', {}, shown.map((event) => eventLine(event, run, Boolean(layer)))));
    renew(listBox, h('div', {},
      h('p', { class: 'dim', id: 'events-summary' },
        plural(events.length, 'event'),
        matching.length === events.length ? '' : `, ${count(matching.length)} of them match`, ', the newest first'),
      shown.length > 0 ? tableRegion('Events', table, { class: 'region events' }) : null,
      rest > 0 ? h('button', { type: 'button', 'data-action': 'more' }, `Show more (${count(rest)} older)`) : null));
  }

  delegate(element, 'click', {
    more() {
      most += 200;
      drawList();
    },
  });
  for (const field of [kind, least, text]) field.addEventListener('input', drawList);

  return {
    element,
    update(fresh, { lastStep, born }) {
      events = fresh;
      renew(axisBox, h('div', {}, timeAxis(events, { lastStep, born })));
      drawList();
    },
  };
}
