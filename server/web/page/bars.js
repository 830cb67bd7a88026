// Columns side by side, as an SVG.

import { s } from './dom.js';

const WIDTH = 420;
const HEIGHT = 130;

/**
 * columns: [{size, text, kind}], the text is the tip, a kind of null is a gap;
 * marks: [{column, text, anchor}] under the axis. A bar higher than `most` is cut.
 */
export function barChart(label, columns, marks, most = Math.max(1, ...columns.map((column) => column.size))) {
  const width = WIDTH / Math.max(1, columns.length);
  return s('svg', { class: 'histogram', viewBox: `0 0 ${WIDTH} ${HEIGHT + 18}`, role: 'img', 'aria-label': label },
    columns.map(({ size, text, kind }, i) => {
      if (kind === null) return null;
      const height = size === 0 ? 0 : Math.min(HEIGHT, Math.max(2, (size / most) * HEIGHT));
      const bar = { x: i * width, y: HEIGHT - height, width: Math.max(1, width - 1), height };
      return s('rect', { class: `bar ${kind}`, ...bar }, s('title', {}, text));
    }),
    s('line', { class: 'lane-line', x1: 0, x2: WIDTH, y1: HEIGHT, y2: HEIGHT }),
    marks.map(({ column, text, anchor }) =>
      s('text', { class: 'axis-text', x: column * width, y: HEIGHT + 14, 'text-anchor': anchor }, text)));
}
