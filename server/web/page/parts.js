// Pieces that several views are made of.

import { h } from './dom.js';
import { count, percent, share } from './format.js';
import { runState, stateOf } from './vocabulary.js';

/** A short word with a sign before it; the tone is never told by colour alone. */
export function badge(glyph, text, tone, attributes = {}) {
  return h('span', { class: `badge tone-${tone}`, ...attributes },
    h('span', { class: 'glyph', 'aria-hidden': 'true' }, glyph), ' ', text);
}

export function stateBadge(id) {
  const state = stateOf(id);
  return badge(state.glyph, state.label, state.tone, { 'data-state': id, title: state.meaning });
}

export function runStateBadge(id) {
  const state = runState(id);
  return badge(state.glyph, state.label, state.tone, { 'data-run-state': id ?? 'unknown' });
}

export function notice(tone, ...children) {
  return h('p', { class: `notice tone-${tone}` }, children);
}

/**
 * A share as a bar and as text; what is no share is "unknown", with no bar. None is
 * no good news where it is open whether some (`open`) are alive.
 */
export function shareBar(part, total, open = 0) {
  const value = share(part, total);
  if (value === null) return h('span', { class: 'share', 'data-share': 'unknown' }, 'unknown');
  const none = open > 0 ? 'unknown' : 'fine';
  const tone = value >= 0.5 ? 'bad' : value > 0 ? 'warn' : none;
  const rest = open > 0 ? `; ${count(open)} neither dead nor alive for certain` : '';
  const title = `${count(part)} of ${count(total)}${rest}`;
  return h('span', { class: `share tone-${tone}`, 'data-share': value, title },
    h('span', { class: 'share-text' }, percent(value)),
    h('span', { class: 'share-track', 'aria-hidden': 'true', css: { '--share': `${value * 100}%` } },
      h('span', { class: 'share-fill' })));
}

/** Dead units of those that are observable, {dead, total, open}, as a fact; null is "unknown". */
export function deadFact(dead) {
  if (!dead) return 'unknown';
  const text = ` ${count(dead.dead)} of ${count(dead.total)}`;
  return [shareBar(dead.dead, dead.total, dead.open), h('span', { class: 'dim' }, text)];
}

export function shardsText(coverage) {
  return coverage ? `${coverage.shardsReceived ?? 0} of ${coverage.shardsExpected ?? 0}` : 'unknown';
}

/** Terms and what they are; pairs with nothing to say are left out. */
export function facts(pairs, attributes = {}) {
  const shown = pairs.filter(([, value]) => value !== null && value !== undefined && value !== '');
  return h('dl', { class: 'facts', ...attributes },
    shown.map(([term, value, name]) => h('div', { 'data-key': name ?? term, 'data-fact': name ?? term },
      h('dt', {}, term), h('dd', {}, value))));
}

/** A table in a region that can be scrolled with the keyboard. */
export function tableRegion(label, table, attributes = {}) {
  return h('div', { class: 'region', role: 'region', 'aria-label': label, tabindex: '0', ...attributes }, table);
}

/** Headings of a table; [text, class]. */
export function headRow(titles) {
  return h('thead', {}, h('tr', {}, titles.map(([text, kind]) => h('th', { scope: 'col', class: kind }, text))));
}

/** The heading of a column that sorts: {id, label, kind}. `sort` is {by, descending}. */
export function sortHeading(column, sort) {
  const isSorted = column.id === sort.by;
  const direction = sort.descending ? 'descending' : 'ascending';
  return h('th', {
    scope: 'col', class: column.kind, 'data-key': column.id, 'aria-sort': isSorted ? direction : null,
  }, h('button', { type: 'button', class: 'sort', 'data-action': 'sort', 'data-value': column.id },
    column.label,
    h('span', { class: 'arrow', 'aria-hidden': 'true' }, isSorted ? (sort.descending ? ' ▼' : ' ▲') : ' ↕')));
}

/** What a section shows whose data did not come. */
export function failure(error) {
  return notice('warn', `Not shown: ${error.message}.`);
}

/** What a view shows instead of what is not there. */
export function absence(title, text, href, linkText) {
  return h('div', { class: 'absence' }, h('h1', { tabindex: '-1' }, title), h('p', {}, text),
    h('p', {}, h('a', { href }, linkText)));
}
