// Events of a run as courses over steps and as marks on a time axis.

import { optional, whole } from './format.js';
import { eventKind, severity } from './vocabulary.js';

/** -1 is "no step"; 0 is left out of the JSON. */
export function eventStep(event) {
  return optional(event.step) ?? 0;
}

/**
 * Dead units over steps: {steps, dead, before}. The events count deaths and
 * revivals; `deadNow` anchors them, because the server keeps only the newest
 * events. `before` is what was dead before the first that it keeps.
 */
export function deadCourse(events, deadNow = null) {
  const changes = new Map();
  for (const event of events) {
    const sign = { EVENT_KIND_UNITS_DIED: 1, EVENT_KIND_UNITS_REVIVED: -1 }[event.kind];
    if (!sign) continue;
    const step = Math.max(0, eventStep(event));
    changes.set(step, (changes.get(step) ?? 0) + sign * whole(event.unitCount));
  }
  const steps = [...changes.keys()].sort((a, b) => a - b);
  const sum = [...changes.values()].reduce((total, change) => total + change, 0);
  // The units are looked at after the events: a death in between is not told yet.
  const before = deadNow === null ? 0 : Math.max(0, deadNow - sum);
  let now = before;
  const dead = steps.map((step) => {
    now = Math.max(0, now + changes.get(step));
    return now;
  });
  return { steps, dead, before };
}

/** The course as shares of `observable` units, from step 0 to `lastStep`; null where nothing is observable. */
export function shareCourse(events, { dead, observable, lastStep }) {
  if (!(observable > 0)) return null;
  const course = deadCourse(events, dead);
  const steps = [...course.steps];
  const shares = course.dead.map((units) => Math.min(1, units / observable));
  if (steps[0] !== 0) {
    steps.unshift(0);
    shares.unshift(course.before / observable);
  }
  if (lastStep > steps.at(-1)) {
    steps.push(lastStep);
    shares.push(Math.min(1, dead / observable));
  }
  return { steps, shares };
}

/**
 * Marks of the time axis: for each lane its bins that hold something, {bin, count,
 * units, rank}. `born` units stand at step 0.
 */
export function laneMarks(events, { lastStep, bins, born = 0 }) {
  const lanes = new Map();
  const span = Math.max(1, lastStep + 1);
  const add = (lane, step, units, rank) => {
    const bin = Math.min(bins - 1, Math.floor((Math.max(0, step) / span) * bins));
    if (!lanes.has(lane)) lanes.set(lane, new Map());
    const mark = lanes.get(lane).get(bin) ?? { bin, count: 0, units: 0, rank: 0 };
    mark.count += 1;
    mark.units += units;
    mark.rank = Math.max(mark.rank, rank);
    lanes.get(lane).set(bin, mark);
  };
  if (born > 0) add('births', 0, born, 2);
  for (const event of events) {
    add(eventKind(event.kind).lane, eventStep(event), whole(event.unitCount), severity(event.severity).rank);
  }
  return new Map([...lanes].map(([lane, marks]) => [lane, [...marks.values()].sort((a, b) => a.bin - b.bin)]));
}

/** Events that the filter lets through, the newest first. */
export function filterEvents(events, { kind = '', rank = 0, text = '' }) {
  const wanted = text.trim().toLowerCase();
  return events.filter((event) => (kind === '' || event.kind === kind)
    && severity(event.severity).rank >= rank
    && (wanted === '' || `${event.layer ?? ''}\n${event.message ?? ''}`.toLowerCase().includes(wanted)))
    .reverse();
}

// As many as the server keeps of a run unless told otherwise (max_events_per_run).
const MOST_EVENTS = 4096;

/**
 * Collects the newest `most` events without asking again for those that are here. `add(page)` takes
 * an answer of ListEvents; `token()` is where to go on.
 */
export function createEventLog(most = MOST_EVENTS) {
  const byId = new Map();
  let token = '';
  let settled = 0;

  function forgetOldest() {
    if (byId.size <= most) return;
    const ids = [...byId.keys()].sort((a, b) => a - b);
    for (const id of ids.slice(0, ids.length - most)) byId.delete(id);
  }

  return {
    token: () => token,
    /** Answers whether there is more. */
    add(page) {
      const ids = (page.events ?? []).map((event) => Number(event.eventId));
      // The answer holds all after `settled`: what it lacks is no more.
      for (const id of [...byId.keys()]) if (id > settled) byId.delete(id);
      for (const event of page.events ?? []) byId.set(Number(event.eventId), event);
      forgetOldest();
      if (!page.nextPageToken) return false;
      token = page.nextPageToken;
      settled = Math.max(settled, ...ids);
      return true;
    },
    restart() {
      byId.clear();
      token = '';
      settled = 0;
    },
    all: () => [...byId.values()].sort((a, b) => Number(a.eventId) - Number(b.eventId)),
  };
}
