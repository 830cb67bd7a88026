// A run at a glance.

import { HeatmapColorOptionsBuilder, PanelBuilder as Heatmap } from '@grafana/grafana-foundation-sdk/heatmap';
import { PanelBuilder as StateTimeline } from '@grafana/grafana-foundation-sdk/statetimeline';

import {
  COLOUR, annotation, bars, board, fill, fixedColour, instant, labelVariable, labelsVariable,
  legend, lines, linkTo, query, row, shareSteps, stat, steps,
} from './parts.js';

const RUN = 'tenant="$tenant",run="$run"';
const LAYER = `${RUN},layer=~"$layer"`;
const LEVELS = { dying: 1, dead: 2, collapse_suspected: 3, collapsed: 4 };

// Of the alarms about death at most one holds.
const alarmLevel = Object.entries(LEVELS)
  .map(([name, level]) => `${level} * firekeeper_layer_alarm{${LAYER},alarm="${name}"}`)
  .join(' or ');

function level(value, text, color, index) {
  return [value, { text, color, index }];
}

export function training() {
  return board('Firekeeper / Training health', 'firekeeper-training', 'One run: what its neurons do, and why')
    .withVariable(labelVariable('tenant', 'Tenant', 'firekeeper_run_info'))
    .withVariable(labelVariable('run', 'Run', 'firekeeper_run_info{tenant="$tenant"}'))
    .withVariable(labelsVariable('layer', 'Layer', `firekeeper_layer_units{${RUN}}`))
    .link(linkTo('Fleet', 'firekeeper-fleet'))
    .link(linkTo('Server', 'firekeeper-server'))
    .annotation(annotation(
      'A layer is dying, dead or collapsed', COLOUR.dead,
      `firekeeper_layer_alarm{${RUN},alarm=~"dying|dead|collapsed"} == 1`
        + ` unless firekeeper_layer_alarm{${RUN}} offset 1m == 1`,
      '{{layer}}: {{alarm}}',
    ))
    .annotation(annotation(
      'A cause was found', COLOUR.dying,
      `firekeeper_run_finding{${RUN}} unless firekeeper_run_finding{${RUN}} offset 1m`,
      '{{cause}}',
    ))

    .withRow(row('Now'))
    .withPanel(stat({
      width: 4,
      title: 'Dead units',
      description: 'Units of all layers that are certified dead, born dead included.',
      unit: 'percentunit',
      queries: [instant(`run:firekeeper_dead_units:ratio{${RUN}}`)],
    }).thresholds(shareSteps(0.05, 0.2)))
    .withPanel(stat({
      width: 4,
      title: 'Worst layer',
      description: 'Share of dead units in the layer that has most of them.',
      unit: 'percentunit',
      queries: [instant(`run:firekeeper_worst_layer_dead_units:ratio{${RUN}}`)],
    }).thresholds(shareSteps(0.2, 0.5)))
    .withPanel(stat({
      width: 4,
      title: 'Collapsed layers',
      description: 'Layers in which no unit can fire: no gradient passes.',
      unit: 'short',
      queries: [instant(`sum(firekeeper_layer_alarm{${RUN},alarm="collapsed"})`)],
    }).thresholds(steps([null, COLOUR.alive], [1, COLOUR.dead])))
    .withPanel(stat({
      width: 4,
      title: 'Step',
      description: 'Greatest step of the newest attempt.',
      unit: 'none',
      queries: [instant(`firekeeper_run_step{${RUN}}`)],
    }).thresholds(steps([null, COLOUR.other])))
    .withPanel(stat({
      width: 4,
      title: 'Ranks connected',
      description: 'Sources with an open stream, of those that were declared.',
      unit: 'percentunit',
      queries: [instant(`firekeeper_run_sources_connected{${RUN}} / firekeeper_run_sources_declared{${RUN}}`)],
    }).thresholds(steps([null, COLOUR.dead], [1, COLOUR.alive])))
    .withPanel(stat({
      width: 4,
      title: 'Silent for',
      description: 'Time since anything of the run came.',
      unit: 's',
      queries: [instant(`run:firekeeper_silence:seconds{${RUN}}`)],
    }).thresholds(steps([null, COLOUR.alive], [120, COLOUR.dying], [600, COLOUR.dead])))

    .withRow(row('Layers'))
    .withPanel(fill(new Heatmap(), {
      title: 'Dead share by layer',
      description: 'Each row is a layer, each cell its share of certified dead units at that time.',
      unit: 'percentunit',
      width: 12,
      height: 10,
      queries: [query(`max by (layer) (layer:firekeeper_dead_units:ratio{${LAYER}})`, '{{layer}}')],
    }).calculate(false).showLegend()
      .color(new HeatmapColorOptionsBuilder().mode('scheme').scheme('Oranges').steps(64).min(0).max(1)))
    .withPanel(fill(new StateTimeline(), {
      title: 'State of layers',
      description: 'The gravest alarm of a layer that was told and is not over.',
      unit: 'short',
      width: 12,
      height: 10,
      queries: [query(`max by (layer) (${alarmLevel})`, '{{layer}}')],
    }).legend(legend()).mergeValues(true).showValue('auto').rowHeight(0.8)
      .mappings([{
        type: 'value',
        options: Object.fromEntries([
          level('0', 'healthy', COLOUR.alive, 0),
          level('1', 'dying', COLOUR.dying, 1),
          level('2', 'dead', COLOUR.dead, 2),
          level('3', 'collapse suspected', COLOUR.silent, 3),
          level('4', 'collapsed', COLOUR.collapsed, 4),
        ]),
      }]))
    .withPanel(lines({
      width: 12,
      title: 'Units by state',
      description: 'Units of the chosen layers by the first of the states that hold.',
      unit: 'short',
      queries: [query(`sum by (state) (firekeeper_layer_units_by_state{${LAYER}}) > 0`, '{{state}}')],
    }).min(0)
      .overrideByName('alive', [fixedColour(COLOUR.alive)])
      .overrideByName('dead', [fixedColour(COLOUR.dead)])
      .overrideByName('born_dead', [fixedColour(COLOUR.collapsed)])
      .overrideByName('silent', [fixedColour(COLOUR.silent)])
      .overrideByName('unknown', [fixedColour(COLOUR.unknown)]))
    .withPanel(lines({
      width: 12,
      title: 'Deaths and revivals',
      description: 'Units that died, and dead units that fired again, within five minutes.',
      unit: 'short',
      queries: [
        query(`sum(increase(firekeeper_layer_deaths_total{${LAYER}}[5m]))`, 'deaths'),
        query(`sum(increase(firekeeper_layer_revivals_total{${LAYER}}[5m]))`, 'revivals'),
      ],
    }).min(0)
      .overrideByName('deaths', [fixedColour(COLOUR.dead)])
      .overrideByName('revivals', [fixedColour(COLOUR.alive)]))

    .withRow(row('Why'))
    .withPanel(bars({
      title: 'Findings',
      description: 'Causes that the diagnosis found, with their score. '
        + '`firekeeper diagnose` shows evidence and remedies.',
      unit: 'percentunit',
      width: 12,
      queries: [instant(`max by (cause) (firekeeper_run_finding{${RUN}})`, '{{cause}}')],
    }).min(0).max(1).noValue('no fault found').thresholds(steps([null, COLOUR.dying])))
    .withPanel(bars({
      title: 'Gradient by depth',
      description: 'Root mean square of the gradient at the output of each layer, in forward order of names. '
        + 'A slope of many powers of ten is a vanishing or an exploding gradient.',
      unit: 'none',
      width: 12,
      queries: [instant(
        `max by (layer) (firekeeper_layer_signal_root_mean_square{${LAYER},signal="output_gradient"})`, '{{layer}}',
      )],
    }).thresholds(steps([null, COLOUR.other])))
    .withPanel(lines({
      width: 12,
      title: 'Update ratio',
      description: 'Size of an update of the weights over the size of the weights. About 0.001 is usual.',
      unit: 'none',
      queries: [query(`max by (layer) (layer:firekeeper_update:ratio{${LAYER}})`, '{{layer}}')],
    }).scaleDistribution({ build: () => ({ type: 'log', log: 10 }) }))
    .withPanel(lines({
      width: 12,
      title: 'Loss and learning rate',
      description: 'Numbers of the whole run as the trainer sent them.',
      unit: 'none',
      queries: [query(`firekeeper_run_scalar{${RUN}}`, '{{name}}')],
    }))

    .withRow(row('Data'))
    .withPanel(lines({
      width: 12,
      title: 'Coverage',
      description: 'Share of the data shards that contributed to the newest window. Below 1, verdicts say UNKNOWN.',
      unit: 'percentunit',
      queries: [query(`min by (layer) (layer:firekeeper_coverage:ratio{${LAYER}})`, '{{layer}}')],
    }).min(0).max(1))
    .withPanel(lines({
      width: 12,
      title: 'Snapshots',
      description: 'What became of the snapshots of the run.',
      unit: 'ops',
      queries: [query(
        `sum by (outcome) (rate(firekeeper_run_snapshots_total{${RUN}}[$__rate_interval]))`, '{{outcome}}',
      )],
    }).min(0));
}
