// Light or dark: as the system says, until the reader says otherwise.

import { createKeep } from './storage.js';

const KEY = 'firekeeper-theme';
const NEXT = { auto: 'light', light: 'dark', dark: 'auto' };
const LABEL = { auto: 'Theme: system', light: 'Theme: light', dark: 'Theme: dark' };

const dark = window.matchMedia('(prefers-color-scheme: dark)');
const listeners = new Set();
const keep = createKeep('localStorage');

function chosen() {
  const kept = keep.get(KEY);
  return kept in NEXT ? kept : 'auto';
}

function apply(button) {
  const choice = chosen();
  const isDark = choice === 'auto' ? dark.matches : choice === 'dark';
  document.documentElement.dataset.theme = isDark ? 'dark' : 'light';
  button.textContent = LABEL[choice];
  for (const listener of listeners) listener();
}

export function startTheme(button) {
  button.addEventListener('click', () => {
    keep.set(KEY, NEXT[chosen()]);
    apply(button);
  });
  dark.addEventListener('change', () => apply(button));
  apply(button);
}

/** Calls `listener` when the colours change, until the answer is called. */
export function onTheme(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The value of a colour of the page, for a canvas. */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
