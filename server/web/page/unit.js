// One unit: the verdict and what it rests on.

import { createScope } from './api.js';
import { h, renew } from './dom.js';
import { count, deathInterval, number, optional, percent, plural, real, whole } from './format.js';
import { createPoller } from './live.js';
import { absence, facts, notice, shardsText, stateBadge } from './parts.js';
import { address } from './route.js';
import { certificateSentences, firingRate, unitSentences } from './verdict_words.js';
import { words } from './vocabulary.js';

function numbers(unit) {
  const stepOr = (value, otherwise) => (optional(value) === null ? otherwise : count(optional(value)));
  const rate = firingRate(unit);
  const dormancy = optional(unit.dormancyScore);
  const isSeen = optional(unit.firstSeenStep) !== null;
  return facts([
    ['State', [unit.state, ...(unit.also ?? [])].map((id) => [stateBadge(id), ' ']), 'state'],
    ['Firing rate', rate === null ? 'unknown' : percent(rate), 'firing-rate'],
    ['Rate at most', isSeen ? number(real(unit.rateUpperBound)) : 'unknown', 'rate-upper-bound'],
    ['Last fired at step', stepOr(unit.lastFiringStep, isSeen ? 'never' : 'unknown'), 'last-firing'],
    ['First seen at step', stepOr(unit.firstSeenStep, 'never'), 'first-seen'],
    ['Silent observations', isSeen ? count(whole(unit.silentObservations)) : 'unknown', 'silent-observations'],
    ['Silent examples', isSeen ? count(whole(unit.silentClusters)) : 'unknown', 'silent-clusters'],
    ['Observations in the horizon', count(whole(unit.observations)), 'observations'],
    ['Firings in the horizon', isSeen ? count(whole(unit.firings)) : 'unknown', 'firings'],
    ['NaN and infinite values', count(whole(unit.nonFinite)), 'non-finite'],
    ['Certified at step', stepOr(unit.certifiedStep, ''), 'certified'],
    ['Died in steps', deathInterval(unit.diedAfterStep, unit.diedByStep), 'died'],
    ['Deaths', count(whole(unit.deaths)), 'deaths'],
    ['Revivals', count(whole(unit.revivals)), 'revivals'],
    ['Origin of the death', words(unit.deathOrigin, 'DEATH_ORIGIN_'), 'origin'],
    ['Permanence', words(unit.permanence, 'PERMANENCE_'), 'permanence'],
    ['Saturation', words(unit.saturation, 'SATURATION_'), 'saturation'],
    ['Starvation', words(unit.starvation, 'STARVATION_'), 'starvation'],
    ['Dormancy score', dormancy === null ? 'not streamed' : number(dormancy), 'dormancy'],
    ['Proven unable up to step', stepOr(unit.provenStep, 'not proven'), 'proven'],
    ['Data shards', shardsText(unit.coverage), 'coverage'],
  ], { id: 'unit-facts' });
}

function neighbours(run, layer, unit, unitCount) {
  const link = (to, id, text) => (to >= 0 && (unitCount === null || to < unitCount)
    ? h('a', { class: 'button', id, href: address(run, layer, to) }, text) : null);
  return h('nav', { class: 'buttons', 'aria-label': 'Units beside this one' },
    link(unit - 1, 'unit-before', `← Unit ${count(unit - 1)}`),
    h('a', { class: 'button', id: 'to-layer', href: address(run, layer) }, `All units of ${layer}`),
    link(unit + 1, 'unit-after', `Unit ${count(unit + 1)} →`));
}

export function unitView(context, { run, layer, unit: number_ }) {
  const scope = createScope();
  let unitCount = null;
  let isShown = false;
  const body = h('div', { id: 'verdict' }, h('p', { class: 'dim' }, 'Loading…'));
  const links = h('div', {});
  const element = h('section', { class: 'view', id: 'unit-view', 'data-unit': number_ },
    h('h1', { tabindex: '-1' }, `Unit ${count(number_)} of ${layer}`), links, body);

  function draw(verdict, certificate) {
    renew(links, h('div', {}, neighbours(run, layer, number_, unitCount)));
    renew(body, h('div', {}, h('div', { class: 'two' },
      h('section', { class: 'part', 'aria-labelledby': 'verdict-title' }, h('h2', { id: 'verdict-title' }, 'Verdict'),
        h('div', { class: 'card words', id: 'unit-words' }, unitSentences(verdict).map((text) => h('p', {}, text)))),
      h('section', { class: 'part', 'aria-labelledby': 'certificate-title' },
        h('h2', { id: 'certificate-title' }, 'What it takes to be called dead'),
        h('div', { class: 'card words' }, certificateSentences(certificate).map((text) => h('p', {}, text))))),
    h('section', { class: 'part', 'aria-labelledby': 'numbers-title' }, h('h2', { id: 'numbers-title' }, 'Evidence'),
      numbers(verdict))));
  }

  // The layer has this unit, but no verdict of it, or none yet.
  function drawReason(reason) {
    renew(links, h('div', {}, neighbours(run, layer, number_, unitCount)));
    renew(body, h('div', {}, h('div', { id: 'unit-unsaid' },
      notice('unknown', 'Nothing can be said of this unit. ', reason ?? ''))));
  }

  function missing(text) {
    poller.dispose();
    scope.dispose();
    context.status.show('missing', 'no such unit');
    element.replaceChildren(absence('This unit is not known', text, address(run, layer), 'To the layer'));
  }

  async function load() {
    const [answer, about, whose] = await Promise.all([
      scope.call('ListUnits', { runId: run, layer, order: 'UNIT_ORDER_UNIT', firstUnit: number_ || null, pageSize: 1 }),
      scope.call('GetLayer', { runId: run, layer }),
      scope.call('GetRun', { runId: run }),
    ]);
    unitCount = whole(about.layer?.layer?.unitCount);
    const verdict = answer.units?.[0];
    if (verdict && whole(verdict.unit) === number_) draw(verdict, answer.certificate);
    else if (number_ >= unitCount) missing(`The layer has ${plural(unitCount, 'unit')}, numbered from 0.`);
    else drawReason(about.layer?.reason);
    isShown = true;
    return { state: whose.run?.state === 'RUN_STATE_ENDED' ? 'ended' : 'live', isFresh: true };
  }

  function onError(error) {
    if (error.isFinal && !isShown) {
      missing(`The server says: ${error.message}.`);
      return true;
    }
    return context.onError(error);
  }

  const poller = createPoller({ load, status: context.status, onError, isPaused: context.isPaused });
  return {
    title: `Unit ${number_} of ${layer}`,
    element,
    changed: poller.changed,
    dispose() {
      poller.dispose();
      scope.dispose();
    },
  };
}
