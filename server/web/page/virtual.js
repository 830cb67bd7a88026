// A long list of which only what is in sight is in the document.

import { renew } from './dom.js';

const OVERSCAN = 8;

/** Rows [first, end) to render of `count`, for a window of the scroller. */
export function visibleRange(scrollTop, height, rowHeight, count, overscan = OVERSCAN) {
  const first = Math.max(0, Math.floor(scrollTop / rowHeight) - overscan);
  const end = Math.min(count, Math.ceil((scrollTop + height) / rowHeight) + overscan);
  return { first: Math.min(first, Math.max(0, count - 1)), end: Math.max(end, Math.min(count, 1)) };
}

/**
 * Fills `body`, which scrolls in `scroller`. `spacer(pixels, key)` makes what
 * stands for rows out of sight; `row(i)` an element with a data-key.
 */
export function createVirtualList({ scroller, body, row, spacer, rowHeight, onRange }) {
  let count = 0;
  let frame = 0;
  let range = { first: 0, end: 0 };

  const before = () => spacer(range.first * rowHeight(), 'spacer-before');
  const after = () => spacer((count - range.end) * rowHeight(), 'spacer-after');

  function rows(from, to) {
    const made = [];
    for (let i = from; i < to; i += 1) made.push(row(i));
    return made;
  }

  function look() {
    // The list may stand below a heading that scrolls with it.
    const top = Math.max(0, scroller.scrollTop - body.offsetTop);
    return visibleRange(top, scroller.clientHeight, rowHeight(), count);
  }

  function drawAll() {
    cancelAnimationFrame(frame);
    frame = 0;
    range = look();
    const fresh = document.createElement(body.nodeName);
    fresh.append(before(), ...rows(range.first, range.end), after());
    renew(body, fresh);
    onRange?.(range);
  }

  // What was in sight and still is stays as it is: scrolling has to be cheap.
  function drawScrolled() {
    frame = 0;
    const old = range;
    const next = look();
    if (next.first === old.first && next.end === old.end) return;
    if (body.childElementCount !== old.end - old.first + 2 || next.first >= old.end || next.end <= old.first) {
      drawAll();
      return;
    }
    range = next;
    for (let i = old.first; i < next.first; i += 1) body.children[1].remove();
    for (let i = next.end; i < old.end; i += 1) body.children[body.childElementCount - 2].remove();
    body.firstElementChild.after(...rows(next.first, old.first));
    body.lastElementChild.before(...rows(old.end, next.end));
    body.firstElementChild.replaceWith(before());
    body.lastElementChild.replaceWith(after());
    onRange?.(range);
  }

  function schedule() {
    if (!frame) frame = requestAnimationFrame(drawScrolled);
  }

  const observer = new ResizeObserver(schedule);
  observer.observe(scroller);
  scroller.addEventListener('scroll', schedule, { passive: true });
  return {
    range: () => range,
    update(newCount) {
      count = newCount;
      drawAll();
    },
    dispose() {
      cancelAnimationFrame(frame);
      observer.disconnect();
      scroller.removeEventListener('scroll', schedule);
    },
  };
}
