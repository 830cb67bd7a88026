// What the page works out without a document.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ApiError } from '../../server/web/page/api.js';
import { distributionColumns, quantileOf, tallestOf } from '../../server/web/page/distribution_model.js';
import { createEventLog, deadCourse, filterEvents, shareCourse } from '../../server/web/page/events_model.js';
import { csvCell, number, percent } from '../../server/web/page/format.js';
import { deadOf } from '../../server/web/page/layer_flags.js';
import { nextDelay } from '../../server/web/page/live.js';
import { logSeries, updateRatio } from '../../server/web/page/profile_model.js';
import { address, parseRoute } from '../../server/web/page/route.js';
import { runRow, sortRuns } from '../../server/web/page/runs_model.js';
import { createKeep } from '../../server/web/page/storage.js';
import { bucketParts, bucketUnits } from '../../server/web/page/strip_model.js';
import { firingRate, unitSentences } from '../../server/web/page/verdict_words.js';
import { createWatch } from '../../server/web/page/watch.js';

const died = (step, units) => ({ kind: 'EVENT_KIND_UNITS_DIED', step: String(step), unitCount: String(units) });
const revived = (step, units) => ({ ...died(step, units), kind: 'EVENT_KIND_UNITS_REVIVED' });

test('an address leads back to what it was made of, whatever the names hold', () => {
  const route = { view: 'unit', run: 'team/a b#?%', layer: '<"\'>', unit: 7 };

  assert.deepEqual(parseRoute(address(route.run, route.layer, route.unit)), route);
});

test('a broken address is no view', () => {
  for (const hash of ['#/run/', '#/run/%E0%A4%A', '#/run/a/layer/b/unit/x', '#/nothing']) {
    assert.equal(parseRoute(hash).view, 'missing', hash);
  }
});

test('the course of dead units ends at what is dead now', () => {
  const course = deadCourse([died(10, 3), revived(20, 1), died(30, 2)], 4);

  assert.deepEqual(course, { steps: [10, 20, 30], dead: [3, 2, 4], before: 0 });
});

test('deaths that are no longer told of came before the first that is', () => {
  assert.deepEqual(deadCourse([died(10, 1)], 5), { steps: [10], dead: [5], before: 4 });
});

test('a share of nothing is not known', () => {
  assert.equal(shareCourse([died(1, 1)], { dead: 1, observable: 0, lastStep: 5 }), null);
});

test('events that came twice are listed once', () => {
  const log = createEventLog();
  const event = { eventId: '1', ...died(1, 1) };

  log.add({ events: [event] });
  log.add({ events: [event, { eventId: '2', ...died(2, 1) }] });

  assert.deepEqual(log.all().map((each) => each.eventId), ['1', '2']);
});

test('of very many events the newest are kept', () => {
  const log = createEventLog(2);
  log.add({ events: [1, 2, 3].map((id) => ({ eventId: String(id), ...died(id, 1) })), nextPageToken: 'more' });
  log.add({ events: [{ eventId: '4', ...died(4, 1) }] });

  assert.deepEqual(log.all().map((each) => each.eventId), ['3', '4']);
});

test('a run is current until it goes on, or its data did not come', () => {
  const watch = createWatch();

  assert.ok(watch.isDue({ lastStep: '1' }));
  watch.done(performance.now());
  assert.ok(watch.isCurrent({ lastStep: '1' }));
  assert.ok(!watch.isCurrent({ lastStep: '2' }));
  watch.failed();
  assert.ok(!watch.isCurrent({ lastStep: '1' }));
});

test('a busy server is there', () => {
  const busy = new ApiError(503, 'busy');

  assert.deepEqual([busy.isBusy, busy.isUnreachable, busy.isOfServer], [true, false, true]);
  assert.ok(new ApiError(0, 'away').isUnreachable);
  assert.ok(!new ApiError(404, 'no run').isOfServer);
});

test('a browser that keeps nothing keeps it until the page is left', () => {
  Object.defineProperty(globalThis, 'forbidden', {
    get() {
      throw new DOMException('denied', 'SecurityError');
    },
  });
  const keep = createKeep('forbidden');

  assert.equal(keep.get('theme'), null);
  keep.set('theme', 'dark');
  assert.equal(keep.get('theme'), 'dark');
  keep.remove('theme');
  assert.equal(keep.get('theme'), null);
});

test('the filter of events reads layers and messages', () => {
  const events = [{ ...died(1, 1), layer: 'fc1' }, { ...died(2, 1), message: 'of FC1' }, died(3, 1)];

  assert.equal(filterEvents(events, { text: 'fc1' }).length, 2);
});

test('what is not known is not 0', () => {
  assert.equal(percent(null), 'unknown');
  assert.equal(number('NaN'), 'NaN');
  assert.equal(runRow({ runId: 'a' }, {}).deadShare, null);
  assert.equal(updateRatio({ signals: [] }), null);
  assert.equal(deadOf({ observability: 'OBSERVABILITY_NOT_OBSERVABLE' }), null);
});

test('a run of which nothing can be said has no share of dead units', () => {
  const glance = { looked: '2026-01-01T00:00:00Z', observableUnits: '8', unsaidUnits: '8' };

  assert.equal(runRow({ runId: 'a' }, glance).deadShare, null);
});

test('silent units are open, and so are those of which nothing can be said', () => {
  const glance = { looked: '2026-01-01T00:00:00Z', observableUnits: '8', unsaidUnits: '1', openUnits: '4' };
  const row = runRow({ runId: 'a' }, glance);

  assert.deepEqual([row.deadShare, row.silent, row.unsaid, row.open], [0, 4, 1, 5]);
  assert.equal(runRow({ runId: 'a' }, { ...glance, unsaidUnits: undefined, openUnits: undefined }).open, 0);
});

test('a unit that gave NaN has no firing rate, and was not unseen', () => {
  const unit = { state: 'HEALTH_STATE_NON_FINITE', observations: '8', firings: '4', nonFinite: '2' };

  assert.equal(firingRate(unit), null);
  assert.equal(firingRate({ ...unit, state: 'HEALTH_STATE_ALIVE' }), 0.5);
  assert.ok(unitSentences(unit).includes('Nothing finite of it was ever observed.'));
  assert.ok(unitSentences({ state: 'HEALTH_STATE_UNOBSERVED' }).includes('Nothing of it was ever observed.'));
});

test('a share is never rounded to none or to all', () => {
  assert.equal(percent(1e-9), '< 0.1 %');
  assert.equal(percent(1 - 1e-9), '> 99.9 %');
});

test('the worst runs come first: collapsed, NaN, then by share', () => {
  const looked = '2026-01-01T00:00:00Z';
  const row = (id, glance) => runRow({ runId: id }, { looked, observableUnits: '4', ...glance });
  const rows = [row('well'), row('dead', { deadUnits: '4' }), row('nan', { nonFiniteLayers: 1 }),
    row('collapsed', { collapsedLayers: 1 }), runRow({ runId: 'not looked at' })];

  const sorted = sortRuns(rows, { by: 'worst', descending: true });

  assert.deepEqual(sorted.map((each) => each.id), ['collapsed', 'nan', 'dead', 'well', 'not looked at']);
});

test('a bucket shows a dead unit among many that live', () => {
  const rows = [{ state: 'HEALTH_STATE_DEAD', units: [1] }, { state: 'HEALTH_STATE_ALIVE', units: [999] }];

  const [dead, alive] = bucketParts(rows, 0, 0.25);

  assert.ok(dead.to - dead.from >= 0.2);
  assert.equal(alive.to, 1);
});

test('the last bucket may be smaller', () => {
  assert.deepEqual(bucketUnits({ unitCount: '10', unitsPerBucket: '4' }, 2), [8, 9]);
});

test('a logarithmic axis says what it cannot show', () => {
  const series = logSeries([1, 0, null, NaN]);

  assert.deepEqual(series, { values: [1, null, null, null], streamed: 3, zeros: 1, nonFinite: 1 });
});

test('a slow server is asked less often', () => {
  assert.ok(nextDelay('live', 4000, 0) > nextDelay('live', 10, 0));
  assert.ok(nextDelay('live', 40_000, 0) >= 120_000, 'a quarter of the time at most, however slow it is');
  assert.ok(nextDelay('live', 10, 5) > nextDelay('live', 10, 1));
});

test('a cell of a table does not become two', () => {
  assert.equal(csvCell('a,"b"'), '"a,""b"""');
});

test('columns of values stand in order, empty ones between them, zeros apart', () => {
  const { negative, positive, zero } = distributionColumns({
    lowerBounds: [-4, -1, 1, 8],
    upperBounds: [-2, -0.5, 2, 16],
    counts: ['3', '1', '5', '7'],
    zeroValues: '9',
  });

  assert.deepEqual(negative.map(({ from, values }) => [from, values]), [[-4, 3], [-2, 0], [-1, 1]]);
  assert.deepEqual(positive.map(({ to, values }) => [to, values]), [[2, 5], [4, 0], [8, 0], [16, 7]]);
  assert.equal(zero, 9);
});

test('many zeros do not flatten the rest, and stand alone where there is nothing else', () => {
  const bins = (values) => values.map((each) => ({ values: each }));

  assert.equal(tallestOf({ negative: bins([2]), positive: bins([3, 7]), zero: 900 }), 7);
  assert.equal(tallestOf({ negative: [], positive: [], zero: 900 }), 900);
});

test('bounds at the end of the doubles make no endless row of columns', () => {
  const { positive } = distributionColumns({
    lowerBounds: [5e-324, 1e-323], upperBounds: [5e-324, 1.5e-323], counts: [1, 1],
  });

  assert.ok(positive.length <= 66);
});

test('of a signal without a sketch no column and no quantile is known', () => {
  const { negative, positive, zero } = distributionColumns({});

  assert.deepEqual([negative, positive, zero], [[], [], 0]);
  assert.equal(quantileOf({}, 0.5), null);
  assert.equal(quantileOf({ quantileLevels: [0.25, 0.5], quantiles: [1, 'Infinity'] }, 0.5), Infinity);
});
