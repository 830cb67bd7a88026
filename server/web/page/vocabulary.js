// The words of the protocol for people: states, causes, signals, events.

// In order of precedence, the gravest first: of several states that hold of a
// unit the first is its state. `tone` says how a reader should take it.
export const STATES = [
  ['NON_FINITE', '∞', 'bad', 'gave NaN or infinity; nothing else can be said'],
  ['UNOBSERVED', '○', 'unknown', 'nothing was observed'],
  ['BORN_DEAD', '⊗', 'bad', 'dead since before the first update'],
  ['DEAD', '✕', 'bad', 'does not fire, with certificate'],
  ['DEAD_ON_SET', '⊠', 'bad', 'did not fire in a pass over a fixed set, nor in training since'],
  ['UNKNOWN', '?', 'unknown', 'data is missing; no statement is possible'],
  ['SILENT', '◌', 'unknown', 'does not fire, but the evidence is too thin to call it dead'],
  ['GRADIENT_STARVED', '↯', 'warn', 'fires, but its weights get no gradient'],
  ['SATURATED', '▣', 'warn', 'its gate is closed on 95 % of the observations or more'],
  ['DYING', '◔', 'warn', 'fires ten times less than it did, or worse'],
  ['LINEARISED', '╱', 'warn', 'always on: a linear unit'],
  ['CONSTANT', '═', 'warn', 'always gives the same value'],
  ['DORMANT', '▽', 'warn', 'far weaker than the other units of its layer'],
  ['RARE', '◐', 'fine', 'fires on less than 2 % of the observations; no fault'],
  ['ALIVE', '●', 'fine', 'fired lately'],
].map(([key, glyph, tone, meaning]) => ({
  key, glyph, tone, meaning, id: `HEALTH_STATE_${key}`, label: key.toLowerCase().replaceAll('_', ' '),
}));

const BY_ID = new Map(STATES.map((state) => [state.id, state]));

/** What is known of a state; one that a newer server has is shown by its name. */
export function stateOf(id) {
  const known = BY_ID.get(id);
  if (known) return known;
  const label = words(id, 'HEALTH_STATE_') || 'unknown';
  return { key: 'UNKNOWN', glyph: '?', tone: 'unknown', meaning: 'not known to this page', id, label };
}

export const DEAD_STATES = ['HEALTH_STATE_DEAD', 'HEALTH_STATE_BORN_DEAD'];

/** SIGNAL_OUTPUT_GRADIENT as "output gradient". */
export function words(id, prefix) {
  const name = String(id ?? '');
  return (name.startsWith(prefix) ? name.slice(prefix.length) : name).toLowerCase().replaceAll('_', ' ');
}

export const causeWords = (id) => (
  id === undefined || id === 'CAUSE_UNKNOWN' ? 'cause unknown' : words(id, 'CAUSE_'));
export const signalWords = (id) => words(id, 'SIGNAL_');
export const phaseWords = (id) => words(id, 'PHASE_');

const ACTIVATIONS = {
  RELU: 'ReLU', RELU6: 'ReLU6', SQUARED_RELU: 'squared ReLU', LEAKY_RELU: 'leaky ReLU', PRELU: 'PReLU',
  RRELU: 'RReLU', ELU: 'ELU', SELU: 'SELU', CELU: 'CELU', GELU: 'GELU', GELU_TANH: 'GELU (tanh form)',
  SILU: 'SiLU', MISH: 'Mish', SOFTMAX_EXPERTS: 'experts', SPARSE_LATENTS: 'sparse latents',
};

export function activationWords(id) {
  const key = String(id ?? '').replace(/^ACTIVATION_/, '');
  return ACTIVATIONS[key] ?? (words(id, 'ACTIVATION_') || 'activation not declared');
}

const RUN_STATES = {
  RUN_STATE_ACTIVE: ['▶', 'active', 'fine'],
  RUN_STATE_SILENT: ['⏸', 'silent', 'warn'],
  RUN_STATE_ENDED: ['■', 'ended', 'unknown'],
};

export function runState(id) {
  const [glyph, label, tone] = RUN_STATES[id] ?? ['?', words(id, 'RUN_STATE_') || 'unknown', 'unknown'];
  return { glyph, label, tone };
}

// What stands in the lanes of the time axis, from top to bottom.
export const LANES = [
  { id: 'births', label: 'Born dead', glyph: '⊗' },
  { id: 'deaths', label: 'Deaths', glyph: '✕' },
  { id: 'revivals', label: 'Revivals', glyph: '●' },
  { id: 'alarms', label: 'Alarms', glyph: '▲' },
  { id: 'findings', label: 'Findings', glyph: '◆' },
  { id: 'data', label: 'Data', glyph: '○' },
];

const EVENTS = {
  UNITS_DIED: ['units died', 'deaths'],
  UNITS_REVIVED: ['units revived', 'revivals'],
  LAYER_DYING: ['layer dying', 'alarms'],
  LAYER_COLLAPSED: ['layer collapsed', 'alarms'],
  LAYER_RECOVERED: ['layer recovered', 'alarms'],
  NO_DATA: ['no data', 'data'],
  NON_FINITE: ['NaN or infinity', 'alarms'],
  FINDING: ['cause found', 'findings'],
  COLLAPSE_SUSPECTED: ['collapse suspected', 'alarms'],
  DATA_RESUMED: ['data resumed', 'data'],
  FINDING_CLEARED: ['cause cleared', 'findings'],
};

export const EVENT_KINDS = Object.entries(EVENTS).map(([key, [label, lane]]) => ({
  id: `EVENT_KIND_${key}`, label, lane,
}));

export function eventKind(id) {
  return EVENT_KINDS.find((kind) => kind.id === id) ?? { id, label: words(id, 'EVENT_KIND_'), lane: 'data' };
}

const SEVERITIES = {
  EVENT_SEVERITY_INFO: { glyph: '·', label: 'info', rank: 1 },
  EVENT_SEVERITY_WARNING: { glyph: '▲', label: 'warning', rank: 2 },
  EVENT_SEVERITY_CRITICAL: { glyph: '‼', label: 'critical', rank: 3 },
};

export function severity(id) {
  return SEVERITIES[id] ?? { glyph: '·', label: words(id, 'EVENT_SEVERITY_') || 'info', rank: 1 };
}

const COMPARISONS = {
  COMPARISON_ABOVE: ['>', '≤', 'above'],
  COMPARISON_BELOW: ['<', '≥', 'below'],
  COMPARISON_AT_LEAST: ['≥', '<', 'at least'],
  COMPARISON_AT_MOST: ['≤', '>', 'at most'],
};

/** How the measured value stands to the threshold, and how it would have to. */
export function comparison(id, holds) {
  const [yes, no, wanted] = COMPARISONS[id] ?? ['vs', 'vs', ''];
  return { sign: holds ? yes : no, wanted };
}

const ORIGINS = {
  DEATH_ORIGIN_BORN_DEAD: 'it was born dead: silent since before the first update',
  DEATH_ORIGIN_DIED: 'it had fired before, and died',
  DEATH_ORIGIN_BORN_DEAD_OR_DIED_EARLY: 'it was silent since step 0: born dead, or dead soon after',
  DEATH_ORIGIN_LEFT_CENSORED: 'it was never seen firing, but the stream began after step 0',
};
const PERMANENCES = {
  PERMANENCE_TENTATIVE: 'it can come back: what it reads still changes',
  PERMANENCE_PERMANENT: 'it cannot come back: nothing that could revive it moves',
};
const STARVATIONS = {
  STARVATION_BLOCKED: 'blocked: its output gradient is exactly zero too',
  STARVATION_VANISHING: 'vanishing: its output gradient is not zero, or was not streamed',
};
const REMEDY_VERDICTS = {
  REMEDY_VERDICT_FEWER_DEAD: 'Fewer units are dead: the remedy worked',
  REMEDY_VERDICT_NO_DIFFERENCE_SHOWN: 'No difference is shown',
  REMEDY_VERDICT_MORE_DEAD: 'More units are dead: the remedy did harm',
};

export const originWords = (id) => ORIGINS[id] ?? '';
export const permanenceWords = (id) => PERMANENCES[id] ?? '';
export const starvationWords = (id) => STARVATIONS[id] ?? '';
export const saturationWords = (id) => words(id, 'SATURATION_');
export const remedyVerdictWords = (id) => REMEDY_VERDICTS[id] ?? 'Not told';
