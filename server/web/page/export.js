// Files for people who go on elsewhere: what the API says, put together.

import { isAbort } from './api.js';
import { announce, h } from './dom.js';
import { count, csv } from './format.js';
import { firingRate } from './verdict_words.js';

const PAGE_SIZE = 1000;

const UNIT_COLUMNS = ['unit', 'state', 'also', 'reason', 'firing_rate', 'observations', 'firings', 'clusters',
  'non_finite', 'last_firing_step', 'first_seen_step', 'certified_step', 'silent_observations', 'silent_clusters',
  'rate_upper_bound', 'deaths', 'revivals', 'died_after_step', 'died_by_step', 'death_origin', 'permanence',
  'saturation', 'starvation', 'dormancy_score', 'proven_step', 'shards_received', 'shards_expected'];

// Fields that are 0 where they are left out; all others are empty then.
const COUNTS = new Set(['unit', 'observations', 'firings', 'clusters', 'non_finite', 'silent_observations',
  'silent_clusters', 'rate_upper_bound', 'deaths', 'revivals']);

const camel = (name) => name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase());

function cellOf(unit, column) {
  if (column === 'also') return (unit.also ?? []).join(' ');
  if (column === 'firing_rate') return firingRate(unit) ?? '';
  if (column.startsWith('shards_')) return unit.coverage ? unit.coverage[camel(column)] ?? 0 : '';
  const value = unit[camel(column)];
  return value ?? (COUNTS.has(column) ? 0 : '');
}

/** Verdicts of units as lines of a CSV file, the heading first if wanted. */
export function unitsCsv(units, withHeading) {
  const rows = units.map((unit) => UNIT_COLUMNS.map((column) => cellOf(unit, column)));
  return csv(withHeading ? [UNIT_COLUMNS, ...rows] : rows);
}

/** A name that every file system takes. */
export function fileName(...parts) {
  return parts.map((part) => String(part).replace(/[^A-Za-z0-9_.=-]+/g, '_').replace(/^\.+/, '_')).join('-');
}

function save(name, type, texts) {
  const url = URL.createObjectURL(new Blob(texts, { type }));
  const link = h('a', { href: url, download: name, hidden: true });
  document.body.append(link);
  link.click();
  link.remove();
  // The browser has to have begun to read it.
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

const saveJson = (name, value) => save(name, 'application/json', [`${JSON.stringify(value, null, 2)}\n`]);

async function exportRun(scope, run) {
  const { run: itself } = await scope.call('GetRun', { runId: run });
  const layers = await scope.all('ListLayers', { runId: run, pageSize: 100 }, 'layers');
  const diagnosis = await scope.call('DiagnoseRun', { runId: run });
  const events = await scope.all('ListEvents', { runId: run, pageSize: PAGE_SIZE }, 'events');
  saveJson(fileName(run, 'run.json'), { exported: new Date().toISOString(), run: itself, layers, diagnosis, events });
}

async function exportDiagnosis(scope, run) {
  saveJson(fileName(run, 'diagnosis.json'), await scope.call('DiagnoseRun', { runId: run }));
}

async function exportUnits(scope, run, layer, tell) {
  const texts = [];
  let done = 0;
  for await (const page of scope.pages('ListUnits', { runId: run, layer, pageSize: PAGE_SIZE })) {
    const units = page.units ?? [];
    texts.push(unitsCsv(units, texts.length === 0));
    done += units.length;
    tell(`${count(done)} of ${count(page.totalSize ?? 0)} units`);
  }
  save(fileName(run, layer, 'units.csv'), 'text/csv', texts);
}

const BUTTONS = {
  run: 'Run as JSON', diagnosis: 'Diagnosis as JSON', units: 'Units as CSV', link: 'Copy link',
};

/** Buttons of these exports; "link" comes with all of them. */
export function exportButtons(names) {
  return h('p', { class: 'buttons' }, [...names, 'link'].map((name) => h('button', {
    type: 'button', id: `export-${name}`, 'data-action': `export-${name}`,
  }, BUTTONS[name])));
}

/** What the buttons do, for `delegate`. */
export function exportActions({ scope, run, layer }) {
  async function work(button, job) {
    const label = button.textContent;
    const tell = (text) => {
      button.textContent = `${label}: ${text}`;
    };
    button.disabled = true;
    tell('collecting…');
    try {
      await job(tell);
      announce(`${label}: saved`);
    } catch (error) {
      if (isAbort(error)) return;
      announce(`${label} failed: ${error.message}`);
    } finally {
      button.disabled = false;
      button.textContent = label;
    }
  }
  return {
    'export-run': (button) => work(button, () => exportRun(scope, run)),
    'export-diagnosis': (button) => work(button, () => exportDiagnosis(scope, run)),
    'export-units': (button) => work(button, (tell) => exportUnits(scope, run, layer, tell)),
    'export-link': (button) => work(button, () => copy(location.href)),
  };
}

async function copy(text) {
  // Without TLS a browser gives pages no clipboard, unless they are of this machine.
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
    return;
  }
  const field = h('textarea', { class: 'unseen' }, text);
  document.body.append(field);
  field.select();
  const isCopied = document.execCommand('copy');
  field.remove();
  if (!isCopied) throw new Error('the browser gives no clipboard');
}
