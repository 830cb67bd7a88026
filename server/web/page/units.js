// The units of a layer, page by page: the server filters, sorts and pages.

import { isAbort } from './api.js';
import { delegate, h, renew } from './dom.js';
import { count, deathInterval, number, optional, percent, real, whole } from './format.js';
import { badge, failure, sortHeading, stateBadge, tableRegion } from './parts.js';
import { address } from './route.js';
import { firingRate } from './verdict_words.js';
import { stateOf } from './vocabulary.js';

const PAGE_SIZES = [50, 100, 200];
const COLUMNS = [
  { id: 'UNIT', label: 'Unit', kind: 'num' },
  { id: 'STATE', label: 'State' },
  { label: 'Also' },
  { id: 'FIRING_RATE', label: 'Firing rate', kind: 'num' },
  { id: 'LAST_FIRING_STEP', label: 'Last fired', kind: 'num' },
  { id: 'SILENT_OBSERVATIONS', label: 'Silent observations', kind: 'num' },
  { label: 'Rate at most', kind: 'num' },
  { label: 'Died in steps', kind: 'num' },
  { id: 'DEATHS', label: 'Deaths', kind: 'num' },
  { label: 'Revivals', kind: 'num' },
];
const GREATEST_FIRST = new Set(['SILENT_OBSERVATIONS', 'DEATHS']);

function unitLine(unit, run, layer) {
  const number_ = whole(unit.unit);
  const last = optional(unit.lastFiringStep);
  const isSeen = optional(unit.firstSeenStep) !== null;
  const rate = firingRate(unit);
  return h('tr', { 'data-key': number_, 'data-unit': number_ },
    h('th', { scope: 'row', class: 'num' }, h('a', { href: address(run, layer, number_) }, count(number_))),
    h('td', { title: unit.reason ?? null }, stateBadge(unit.state)),
    h('td', {}, (unit.also ?? []).map((id) => stateOf(id).label).join(', ')),
    h('td', { class: 'num' }, rate === null ? 'unknown' : percent(rate)),
    h('td', { class: 'num' }, last === null ? (isSeen ? 'never' : 'unknown') : count(last)),
    h('td', { class: 'num' }, isSeen ? count(whole(unit.silentObservations)) : 'unknown'),
    h('td', { class: 'num' }, isSeen ? number(real(unit.rateUpperBound)) : 'unknown'),
    h('td', { class: 'num' }, deathInterval(unit.diedAfterStep, unit.diedByStep)),
    h('td', { class: 'num' }, count(whole(unit.deaths))),
    h('td', { class: 'num' }, count(whole(unit.revivals))));
}

function headings(sort) {
  return h('thead', {}, h('tr', {}, COLUMNS.map((column) => (column.id ? sortHeading(column, sort)
    : h('th', { scope: 'col', class: column.kind }, column.label)))));
}

function stateFilter(totals, chosen) {
  return h('fieldset', { class: 'states' }, h('legend', {}, 'Only in state'),
    totals.map(([state, units]) => h('label', { 'data-key': state, class: 'check' },
      h('input', { type: 'checkbox', name: 'state', value: state, checked: chosen.has(state) }),
      badge(stateOf(state).glyph, `${stateOf(state).label} ${count(units)}`, stateOf(state).tone))));
}

// Not `disabled`, which would take the focus from who pages with the keyboard.
function pageButton(action, text, isOpen) {
  return h('button', {
    type: 'button', id: `page-${action}`, 'data-action': action, 'aria-disabled': isOpen ? null : 'true',
  }, text);
}

// The states of the layer, and those that are chosen although no unit is in them now.
function listedStates(totals, chosen) {
  const present = new Set(totals.map(([state]) => state));
  return [...totals, ...[...chosen].filter((state) => !present.has(state)).map((state) => [state, 0])];
}

export function createUnits({ scope, run, layer }) {
  const sort = { by: 'UNIT', descending: false };
  const states = new Set();
  let tokens = [''];
  let page = 0;
  let pageSize = PAGE_SIZES[0];
  let firstUnit = 0;
  // The page after the one that is shown; empty while there is none, or another is asked for.
  let next = '';
  let asked = 0;

  const filterBox = h('div', { id: 'unit-states' });
  const sizeField = h('select', { id: 'page-size' }, PAGE_SIZES.map((size) => h('option', { value: size }, size)));
  const firstField = h('input', { id: 'first-unit', type: 'number', min: 0, step: 1, inputmode: 'numeric' });
  const tableBox = h('div', {});
  const pager = h('div', { class: 'pager' });
  const element = h('div', { id: 'units-part' },
    h('div', { class: 'fields' }, filterBox,
      h('div', { class: 'field' }, h('label', { for: 'first-unit' }, 'From unit'), firstField),
      h('div', { class: 'field' }, h('label', { for: 'page-size' }, 'On a page'), sizeField)),
    tableBox, pager);

  function draw(answer) {
    next = answer.nextPageToken ?? '';
    const units = answer.units ?? [];
    const total = whole(answer.totalSize);
    const table = h('table', { class: 'rows', id: 'units' }, h('caption', { class: 'unseen' }, `Units of ${layer}`),
      headings(sort), h('tbody', {}, units.map((unit) => unitLine(unit, run, layer))));
    renew(tableBox, h('div', {}, units.length > 0 ? tableRegion('Units', table)
      : h('p', { class: 'notice' }, 'No unit is in these states.')));
    const first = page * pageSize + 1;
    const place = firstUnit > 0 ? `${count(units.length)} units from unit ${count(firstUnit)} on, page ${page + 1}`
      : `${count(Math.min(first, total))} to ${count(first + units.length - 1)} of ${count(total)} units`;
    renew(pager, h('div', {},
      pageButton('before', '← Previous', page > 0),
      h('span', { id: 'units-place', role: 'status' }, units.length > 0 ? place : ''),
      pageButton('after', 'Next →', next !== '')));
  }

  function ask() {
    const isByUnit = sort.by === 'UNIT' && !sort.descending;
    return scope.call('ListUnits', {
      runId: run,
      layer,
      states: [...states].sort(),
      pageSize,
      pageToken: tokens[page],
      order: `UNIT_ORDER_${sort.by}`,
      descending: sort.descending || null,
      firstUnit: isByUnit && firstUnit > 0 ? firstUnit : null,
    });
  }

  function toStart() {
    tokens = [''];
    page = 0;
    next = '';
  }

  async function load() {
    const mine = ++asked;
    try {
      const answer = await ask();
      // Else the reader has gone on meanwhile.
      if (mine === asked) draw(answer);
    } catch (error) {
      if (mine !== asked) return;
      // A token of a list that is no more: the server may have been started anew.
      if (error.status !== 400 || tokens[page] === '') throw error;
      toStart();
      await load();
    }
  }

  async function reload() {
    try {
      await load();
    } catch (error) {
      if (!isAbort(error)) renew(tableBox, h('div', {}, failure(error)));
    }
  }

  function restart() {
    toStart();
    reload();
  }

  function turn(to) {
    page = to;
    next = '';
    reload();
  }

  delegate(element, 'click', {
    sort(button) {
      const by = button.dataset.value;
      sort.descending = sort.by === by ? !sort.descending : GREATEST_FIRST.has(by);
      sort.by = by;
      if (sort.by !== 'UNIT' || sort.descending) {
        firstUnit = 0;
        firstField.value = '';
      }
      restart();
    },
    before() {
      if (page > 0) turn(page - 1);
    },
    after() {
      if (next === '') return;
      tokens[page + 1] = next;
      turn(page + 1);
    },
  });
  filterBox.addEventListener('change', (event) => {
    if (event.target.checked) states.add(event.target.value);
    else states.delete(event.target.value);
    restart();
  });
  sizeField.addEventListener('change', () => {
    pageSize = Number(sizeField.value);
    restart();
  });
  firstField.addEventListener('change', () => {
    firstUnit = Math.max(0, Math.floor(Number(firstField.value) || 0));
    sort.by = 'UNIT';
    sort.descending = false;
    restart();
  });

  return {
    element,
    /** Asks for the page that is shown anew. `totals`: [[state, units]] of the layer. */
    async update(totals) {
      renew(filterBox, h('div', {}, stateFilter(listedStates(totals, states), states)));
      await load();
    },
  };
}
