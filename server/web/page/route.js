// Addresses of the views: what stands behind the # of the address bar.

const PATTERN = /^#\/run\/([^/]+)(?:\/layer\/([^/]+)(?:\/unit\/(\d+))?)?\/?$/;

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

/** {view, run, layer, unit}; view is "missing" where the address names none. */
export function parseRoute(hash) {
  if (hash === '' || hash === '#' || hash === '#/') return { view: 'runs' };
  const match = PATTERN.exec(hash);
  if (!match) return { view: 'missing' };
  const run = decoded(match[1]);
  const layer = match[2] === undefined ? undefined : decoded(match[2]);
  if (run === null || layer === null) return { view: 'missing' };
  if (layer === undefined) return { view: 'run', run };
  if (match[3] === undefined) return { view: 'layer', run, layer };
  return { view: 'unit', run, layer, unit: Number(match[3]) };
}

/** The address of the runs, a run, a layer or a unit. */
export function address(run, layer, unit) {
  if (run === undefined) return '#/';
  let hash = `#/run/${encodeURIComponent(run)}`;
  if (layer !== undefined) hash += `/layer/${encodeURIComponent(layer)}`;
  if (unit !== undefined) hash += `/unit/${unit}`;
  return hash;
}
