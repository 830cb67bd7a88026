// Values of the API as text for people. Canonical JSON of Protocol Buffers leaves
// out what is 0, writes 64-bit integers as strings and NaN as "NaN".

export const UNKNOWN = 'unknown';

/** A 64-bit integer that is 0 where it is left out. */
export function whole(value) {
  return value === undefined || value === null ? 0 : Number(value);
}

/** A field with presence: null where it is absent, never 0. */
export function optional(value) {
  return value === undefined || value === null ? null : Number(value);
}

/** A double that is 0 where it is left out; "NaN" and "Infinity" stay what they are. */
export function real(value) {
  return value === undefined || value === null ? 0 : Number(value);
}

/** 1234567 as "1,234,567"; the same in every locale. */
export function count(value) {
  if (value === null || value === undefined || Number.isNaN(Number(value))) return UNKNOWN;
  return String(value).replace(/\B(?=(\d{3})+(?!\d))/g, ',');
}

export function plural(value, one, many = `${one}s`) {
  return `${count(value)} ${Number(value) === 1 ? one : many}`;
}

/** A measured value, four digits at most. */
export function number(value) {
  if (value === null || value === undefined) return UNKNOWN;
  const x = Number(value);
  if (Number.isNaN(x)) return 'NaN';
  if (!Number.isFinite(x)) return x > 0 ? 'infinity' : '-infinity';
  if (x === 0) return '0';
  const size = Math.abs(x);
  if (Number.isInteger(x) && size < 1e6) return count(x);
  if (size >= 1e6 || size < 1e-3) return x.toExponential(2).replace(/\.?0+e/, 'e').replace('e+', 'e');
  return String(Number(x.toPrecision(4)));
}

/** A share of 0 to 1 in percent. Nothing that exists is rounded to none, nor almost all to all. */
export function percent(share) {
  if (share === null || share === undefined || !Number.isFinite(Number(share))) return UNKNOWN;
  const x = Number(share) * 100;
  if (x === 0) return '0 %';
  if (x === 100) return '100 %';
  if (x > 0 && x < 0.1) return '< 0.1 %';
  if (x > 99.9 && x < 100) return '> 99.9 %';
  return `${x.toFixed(1)} %`;
}

/** part of whole; null where there is nothing to divide by. */
export function share(part, total) {
  return total > 0 ? part / total : null;
}

/** A step, -1 being "none yet". */
export function step(value) {
  const x = optional(value);
  return x === null || x < 0 ? 'none yet' : count(x);
}

/** "(3, 639]" of the table of units: last fired at 3, certain to be dead by 639. */
export function deathInterval(after, by) {
  const end = optional(by);
  if (end === null) return '';
  const start = optional(after);
  return start === null || start < 0 ? `by ${count(end)}` : `(${count(start)}, ${count(end)}]`;
}

export function milliseconds(timestamp) {
  return timestamp ? Date.parse(timestamp) : NaN;
}

/** "12 s", "5 min", "3 h", "2 days". */
export function duration(ms) {
  if (!Number.isFinite(ms)) return UNKNOWN;
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 100) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 100) return `${minutes} min`;
  const hours = Math.round(minutes / 60);
  if (hours < 48) return `${hours} h`;
  return `${Math.round(hours / 24)} days`;
}

export function ago(timestamp, now) {
  const then = milliseconds(timestamp);
  return Number.isFinite(then) ? `${duration(now - then)} ago` : 'never';
}

/** Local time, in the form of ISO 8601 without the zone. */
export function localTime(timestamp) {
  const ms = typeof timestamp === 'number' ? timestamp : milliseconds(timestamp);
  if (!Number.isFinite(ms)) return UNKNOWN;
  const date = new Date(ms);
  const two = (x) => String(x).padStart(2, '0');
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} `
    + `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

export function bytes(value) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let x = whole(value);
  let i = 0;
  while (x >= 1024 && i + 1 < units.length) {
    x /= 1024;
    i += 1;
  }
  return `${i === 0 ? x : x.toFixed(1)} ${units[i]}`;
}

/** "a, b and c"; with more than `most` names the rest is counted. */
export function list(names, most = 4) {
  const shown = names.length > most ? names.slice(0, most - 1) : names;
  const rest = names.length - shown.length;
  const parts = rest > 0 ? [...shown, `${count(rest)} more`] : shown;
  if (parts.length < 2) return parts.join('');
  return `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}`;
}

/** A value of a CSV file, RFC 4180. A cell that a spreadsheet would run as a formula is defused. */
export function csvCell(value) {
  const text = value === null || value === undefined ? '' : String(value);
  const safe = /^[=+@\t\r]|^-(?!\d)/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export function csv(rows) {
  return rows.map((row) => `${row.map(csvCell).join(',')}\r\n`).join('');
}
