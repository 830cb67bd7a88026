// Draws states of units: every state has a colour and a pattern of its own.

import { bucketCount, bucketParts, rowsByGravity } from './strip_model.js';
import { colour } from './theme.js';
import { stateOf } from './vocabulary.js';

const TILE = 6;
const LEAST_PART = 0.08;

function line(pen, ...points) {
  pen.beginPath();
  pen.moveTo(points[0], points[1]);
  for (let i = 2; i < points.length; i += 2) pen.lineTo(points[i], points[i + 1]);
  pen.stroke();
}

function dot(pen, x, y, radius) {
  pen.beginPath();
  pen.arc(x, y, radius, 0, 2 * Math.PI);
  pen.fill();
}

const rising = (pen) => {
  line(pen, -1, TILE + 1, TILE + 1, -1);
  line(pen, -1, 1, 1, -1);
  line(pen, TILE - 1, TILE + 1, TILE + 1, TILE - 1);
};
const falling = (pen) => {
  line(pen, -1, -1, TILE + 1, TILE + 1);
  line(pen, TILE - 1, -1, TILE + 1, 1);
  line(pen, -1, TILE - 1, 1, TILE + 1);
};
const level = (pen) => line(pen, 0, TILE / 2, TILE, TILE / 2);
const upright = (pen) => line(pen, TILE / 2, 0, TILE / 2, TILE);

// One tile of the pattern, over a ground of the state's colour.
const PATTERNS = {
  ALIVE: () => {},
  RARE: (pen) => dot(pen, 3, 3, 1),
  DEAD: (pen) => {
    rising(pen);
    falling(pen);
  },
  BORN_DEAD: (pen) => {
    level(pen);
    upright(pen);
  },
  DEAD_ON_SET: (pen) => rising(pen),
  NON_FINITE: (pen) => {
    pen.fillRect(0, 0, TILE / 2, TILE / 2);
    pen.fillRect(TILE / 2, TILE / 2, TILE / 2, TILE / 2);
  },
  UNKNOWN: (pen) => falling(pen),
  SILENT: (pen) => {
    dot(pen, 1.5, 1.5, 1.1);
    dot(pen, 4.5, 4.5, 1.1);
  },
  UNOBSERVED: (pen) => dot(pen, 3, 3, 0.8),
  DYING: (pen) => falling(pen),
  GRADIENT_STARVED: (pen) => line(pen, 0, 1, 3, 4, 6, 1),
  SATURATED: (pen) => level(pen),
  LINEARISED: (pen) => rising(pen),
  CONSTANT: (pen) => {
    line(pen, 0, 1.5, TILE, 1.5);
    line(pen, 0, 4.5, TILE, 4.5);
  },
  DORMANT: (pen) => upright(pen),
};

let tiles = new Map();
let tilesTheme = '';

function tileOf(key) {
  const theme = document.documentElement.dataset.theme;
  if (theme !== tilesTheme) {
    tiles = new Map();
    tilesTheme = theme;
  }
  if (tiles.has(key)) return tiles.get(key);
  const scale = Math.max(1, Math.round(window.devicePixelRatio || 1));
  const tile = document.createElement('canvas');
  tile.width = TILE * scale;
  tile.height = TILE * scale;
  const pen = tile.getContext('2d');
  pen.scale(scale, scale);
  pen.fillStyle = colour(`--state-${key.toLowerCase().replaceAll('_', '-')}`);
  pen.fillRect(0, 0, TILE, TILE);
  const ink = colour(`--ink-${key.toLowerCase().replaceAll('_', '-')}`) || colour('--ink');
  pen.fillStyle = ink;
  pen.strokeStyle = ink;
  pen.lineWidth = 1;
  PATTERNS[key](pen);
  tiles.set(key, tile);
  return tile;
}

// A pen of the canvas, which is as fine as the screen.
function penOf(canvas, width, height) {
  const scale = Math.max(1, Math.round(window.devicePixelRatio || 1));
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  return { pen: canvas.getContext('2d'), scale };
}

/** Where bucket `i` of `n` lies in `width` pixels. */
function span(i, n, width) {
  const from = Math.round((i / n) * width);
  const to = Math.round(((i + 1) / n) * width);
  return [from, to - from > 5 ? to - 1 : to];
}

/** Draws a strip; mixed buckets show each state by its share, the gravest on top. */
export function paintStrip(canvas, strip, width, height) {
  const { pen } = penOf(canvas, width, height);
  const buckets = bucketCount(strip);
  const rows = rowsByGravity(strip);
  const patterns = new Map(rows.map((row) =>
    [row.state, pen.createPattern(tileOf(stateOf(row.state).key), 'repeat')]));
  for (let i = 0; i < buckets; i += 1) {
    const [from, to] = span(i, buckets, canvas.width);
    for (const part of bucketParts(rows, i, LEAST_PART)) {
      const top = Math.round(part.from * canvas.height);
      pen.fillStyle = patterns.get(part.state);
      pen.fillRect(from, top, Math.max(1, to - from), Math.round(part.to * canvas.height) - top);
    }
  }
}

/** The bucket of a strip at `x` of `width`. */
export function bucketAt(strip, x, width) {
  const buckets = bucketCount(strip);
  return Math.max(0, Math.min(buckets - 1, Math.floor((x / width) * buckets)));
}

/** A sample of a state for a legend. */
export function paintSwatch(canvas, stateId, width = 22, height = 14) {
  const { pen } = penOf(canvas, width, height);
  pen.fillStyle = pen.createPattern(tileOf(stateOf(stateId).key), 'repeat');
  pen.fillRect(0, 0, canvas.width, canvas.height);
}
