// All runs, the worst first.

import { createScope } from './api.js';
import { delegate, h, renew } from './dom.js';
import { ago, count, list, localTime, percent, plural, step } from './format.js';
import { createPoller } from './live.js';
import { badge, runStateBadge, shareBar, sortHeading, tableRegion } from './parts.js';
import { address } from './route.js';
import { filterRuns, runRow, sortRuns, tally } from './runs_model.js';
import { createVirtualList } from './virtual.js';

const PAGE_SIZE = 250;
const COLUMNS = [
  { id: 'run', label: 'Run' },
  { id: 'worst', label: 'Health' },
  { id: 'state', label: 'State' },
  { id: 'step', label: 'Last step', kind: 'num' },
  { id: 'units', label: 'Units', kind: 'num' },
  { id: 'dead', label: 'Dead', kind: 'num' },
  { id: 'layer', label: 'Worst layer' },
  { id: 'faults', label: 'Faults' },
  { id: 'seen', label: 'Last seen', kind: 'num' },
];
// What a reader wants to see on top when he sorts by it for the first time.
const ASCENDING_FIRST = new Set(['run', 'state']);

const FIRST_DATA = `python3 -c 'import numpy as np
for i in range(20):
    np.save(f"step-{i:03}.npy", np.maximum(np.random.randn(256, 64), 0).astype("f4"))'
firekeeper push --run my-run --layer hidden0 --activation relu step-*.npy`;
const FIRST_LINE = `import firekeeper

watcher = firekeeper.watch(model, optimizer=optimizer, run="my-run")`;

// That none of them is dead yet is no good news.
function openBadges(row) {
  return [
    row.silent > 0 ? badge('?', `${plural(row.silent, 'unit')} silent or dead on set`, 'unknown') : null,
    row.unsaid > 0 ? badge('?', `${plural(row.unsaid, 'unit')} not known`, 'unknown') : null,
  ];
}

function health(row) {
  const badges = [];
  if (row.collapsed > 0) badges.push(badge('✕', `${plural(row.collapsed, 'layer')} collapsed`, 'alarm'));
  if (row.nonFinite > 0) badges.push(badge('∞', `NaN in ${plural(row.nonFinite, 'layer')}`, 'alarm'));
  if (badges.length > 0) return badges;
  if (row.deadShare === null) {
    return badge('?', row.isLooked ? 'not observable' : 'not looked at yet', 'unknown');
  }
  if (row.faults.length > 0) return badge('▲', plural(row.faults.length, 'fault'), 'warn');
  if (row.dead > 0) return badge('✕', 'some dead', 'warn');
  return row.open > 0 ? openBadges(row) : badge('●', 'no fault found', 'fine');
}

function worst(row) {
  if (!row.isLooked || row.deadShare === null) return 'unknown';
  if (!row.worstLayer) return row.nonFinite > 0 || row.collapsed > 0 ? 'unknown' : 'none';
  return [h('a', { href: address(row.id, row.worstLayer), title: row.worstLayer }, row.worstLayer), ' ',
    h('span', { class: 'dim' }, percent(row.worstShare))];
}

function deadCell(row) {
  if (row.deadShare === null) return 'unknown';
  // Of units that are NaN, or proven unable to fire before they were silent for
  // long, none is counted as dead: that is no good news.
  if (row.dead === 0 && (row.nonFinite > 0 || row.collapsed > 0)) return 'none for certain';
  return shareBar(row.dead, row.observable, row.open);
}

function runLine(row, position, now) {
  const isAlarm = row.collapsed > 0 || row.nonFinite > 0;
  return h('tr', {
    'data-key': `run ${row.id}`, 'data-run': row.id, 'aria-rowindex': position + 2,
    class: isAlarm ? 'alarm' : null,
  },
  h('th', { scope: 'row', class: 'name' }, h('a', { href: address(row.id), title: row.id }, row.id)),
  h('td', {}, health(row)),
  h('td', {}, runStateBadge(row.state)),
  h('td', { class: 'num' }, step(row.lastStep)),
  h('td', { class: 'num' }, count(row.units)),
  h('td', { class: 'num' }, deadCell(row)),
  h('td', { class: 'name' }, worst(row)),
  h('td', { class: 'name', title: row.faults.join(', ') || null },
    row.isLooked ? list(row.faults, 3) || 'none' : 'unknown'),
  h('td', { class: 'num', title: localTime(row.lastSeen) }, ago(row.lastSeen, now)));
}

function emptyState() {
  return h('div', { class: 'card empty', id: 'empty' },
    h('h2', {}, 'Nothing was sent yet'),
    h('p', {}, 'Training jobs send what they see over gRPC; the page shows a run within seconds. From PyTorch:'),
    h('pre', { tabindex: '0' }, h('code', {}, FIRST_LINE)),
    h('p', {}, 'Or without a trainer, from NumPy files:'),
    h('pre', { tabindex: '0' }, h('code', {}, FIRST_DATA)));
}

function summary(rows, shown, isComplete) {
  const all = tally(rows);
  const parts = [plural(all.runs, 'run'), `${count(all.active)} active`];
  if (all.collapsed > 0) parts.push(`${count(all.collapsed)} collapsed`);
  if (all.nonFinite > 0) parts.push(`${count(all.nonFinite)} with NaN`);
  if (all.faulty > 0) parts.push(`${count(all.faulty)} with faults`);
  if (all.unknown > 0) parts.push(`${count(all.unknown)} not known`);
  if (shown !== rows.length) parts.push(`${count(shown)} shown`);
  return parts.join(' · ') + (isComplete ? '' : ' · loading more…');
}

export function runsView(context) {
  const scope = createScope();
  const sort = { by: 'worst', descending: true };
  let filter = '';
  let rows = [];
  let shown = [];

  const tally_ = h('p', { class: 'dim', id: 'runs-summary' }, 'Loading the runs…');
  const filterBox = h('input', { id: 'filter', type: 'search', autocomplete: 'off', spellcheck: 'false' });
  const head = h('thead', {});
  const body = h('tbody', { 'data-own': true });
  const table = h('table', { id: 'runs', class: 'rows' }, h('caption', { class: 'unseen' }, 'Runs'), head, body);
  const region = tableRegion('Runs', table, { class: 'region tall', id: 'runs-region', hidden: true });
  const empty = h('div', {});
  const element = h('section', { class: 'view', id: 'runs-view' },
    h('div', { class: 'head' }, h('h1', { tabindex: '-1' }, 'Runs'), tally_,
      h('div', { class: 'field' }, h('label', { for: 'filter' }, 'Filter'), filterBox)),
    region, empty);

  const virtual = createVirtualList({
    scroller: region,
    body,
    row: (i) => runLine(shown[i], i, Date.now()),
    spacer: (pixels, key) => h('tr', { 'aria-hidden': 'true', 'data-key': key },
      h('td', { colspan: COLUMNS.length, class: 'spacer', css: { height: `${pixels}px` } })),
    rowHeight: () => 34,
  });

  function draw(isComplete = true) {
    shown = sortRuns(filterRuns(rows, filter), sort);
    tally_.textContent = summary(rows, shown.length, isComplete);
    const isEmpty = isComplete && rows.length === 0;
    region.hidden = rows.length === 0;
    renew(empty, h('div', {}, isEmpty ? emptyState() : null,
      rows.length > 0 && shown.length === 0 ? h('p', { class: 'notice' }, 'No run matches the filter.') : null));
    renew(head, h('thead', {}, h('tr', { 'aria-rowindex': 1 }, COLUMNS.map((column) => sortHeading(column, sort)))));
    table.setAttribute('aria-rowcount', shown.length + 1);
    virtual.update(shown.length);
  }

  delegate(element, 'click', {
    sort(button) {
      const by = button.dataset.value;
      sort.descending = sort.by === by ? !sort.descending : !ASCENDING_FIRST.has(by);
      sort.by = by;
      draw();
    },
  });
  filterBox.addEventListener('input', () => {
    filter = filterBox.value;
    region.scrollTop = 0;
    draw();
  });

  async function load() {
    const isFirst = rows.length === 0;
    const fresh = [];
    for await (const page of scope.pages('ListRuns', { pageSize: PAGE_SIZE })) {
      const runs = page.runs ?? [];
      for (let i = 0; i < runs.length; i += 1) fresh.push(runRow(runs[i], page.glances?.[i]));
      // Later the old rows stay until all the new ones are there.
      if (isFirst) {
        rows = fresh;
        draw(!page.nextPageToken);
      }
    }
    rows = fresh;
    draw();
    return { state: 'live', isFresh: true };
  }

  const poller = createPoller({ load, status: context.status, onError: context.onError, isPaused: context.isPaused });
  return {
    title: 'Runs',
    element,
    changed: poller.changed,
    dispose() {
      poller.dispose();
      scope.dispose();
      virtual.dispose();
    },
  };
}
