// A run at a glance.

import { HeatmapColorOptionsBuilder, PanelBuilder as Heatmap } from '@grafana/grafana-foundation-sdk/heatmap';
import { PanelBuilder as StateTimeline } from '@grafana/grafana-foundation-sdk/statetimeline';
import { PanelBuilder as Table } from '@grafana/grafana-foundation-sdk/table';

import {
  COLOUR, annotation, bars, board, fill, fixedColour, instant, labelVariable, labelsVariable,
  legend, lines, linkTo, linkToLayer, linkToPage, pageVariable, query, row, rows, shareSteps, stat,
  steps,
} from './parts.js';

const RUN = 'tenant="$tenant",run="$run"';
const FAULTS = `firekeeper_run_finding{${RUN},severity!="info"}`;
const LAYER = `${RUN},layer=~"$layer"`;
// The gravest that holds is shown.
const LEVELS = { no_data: 1, dying: 2, dead: 3, collapse_suspected: 4, collapsed: 5, non_finite: 6 };

const alarmLevel = Object.entries(LEVELS)
  .map(([name, level]) => `${level} * firekeeper_layer_alarm{${LAYER},alarm="${name}"}`)
  .join(' or ');

function level(value, text, color, index) {
  return [value, { text, color, index }];
}

function gradientByDepth() {
  const ofLayer = (metric) => `max by (layer) (${metric})`;
  return fill(new Table(), {
    title: 'Gradient by depth',
    description: 'Root mean square of the gradient at the output of each layer, from the first to the last. '
      + 'A slope of many powers of ten is a vanishing or an exploding gradient.',
    unit: 'sci',
    width: 12,
    queries: [
      rows(ofLayer(`firekeeper_layer_order{${LAYER}}`), 'order'),
      rows(ofLayer(`firekeeper_layer_signal_root_mean_square{${LAYER},signal="output_gradient"}`), 'gradient'),
    ],
  })
    .withTransformation({ id: 'joinByField', options: { byField: 'layer', mode: 'inner' } })
    .withTransformation({ id: 'sortBy', options: { sort: [{ field: 'Value #order' }] } })
    .withTransformation({
      id: 'organize',
      options: { excludeByName: { 'Time 1': true, 'Time 2': true, 'Value #order': true } },
    })
    .overrideByName('layer', [{ id: 'displayName', value: 'Layer' }])
    .overrideByName('Value #gradient', [
      { id: 'displayName', value: 'Gradient' },
      { id: 'custom.cellOptions', value: { type: 'gauge', mode: 'basic' } },
    ]);
}

export function training() {
  return board('Firekeeper / Training health', 'firekeeper-training', 'One run: what its neurons do, and why')
    .withVariable(labelVariable('tenant', 'Tenant', 'firekeeper_run_info'))
    .withVariable(labelVariable('run', 'Run', 'firekeeper_run_info{tenant="$tenant"}'))
    .withVariable(labelsVariable('layer', 'Layer', `firekeeper_layer_units{${RUN}}`))
    .withVariable(pageVariable())
    .link(linkToPage())
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
      `${FAULTS} unless ${FAULTS} offset 1m`,
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
    .withPanel(linkToLayer(fill(new StateTimeline(), {
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
          level('1', 'no data', COLOUR.unknown, 1),
          level('2', 'dying', COLOUR.dying, 2),
          level('3', 'dead', COLOUR.dead, 3),
          level('4', 'collapse suspected', COLOUR.silent, 4),
          level('5', 'collapsed', COLOUR.collapsed, 5),
          level('6', 'NaN or infinity', COLOUR.nan, 6),
        ]),
      }])))
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
      description: 'Faults that the diagnosis found, with their score. '
        + '`firekeeper diagnose` shows evidence and remedies.',
      unit: 'percentunit',
      width: 12,
      queries: [instant(`max by (cause) (${FAULTS})`, '{{cause}}')],
    }).min(0).max(1).noValue('no fault found').thresholds(steps([null, COLOUR.dying])))
    .withPanel(gradientByDepth())
    .withPanel(linkToLayer(lines({
      width: 12,
      title: 'Update ratio',
      description: 'Size of an update of the weights over the size of the weights. About 0.001 is usual.',
      unit: 'none',
      queries: [query(`max by (layer) (layer:firekeeper_update:ratio{${LAYER}})`, '{{layer}}')],
    }).scaleDistribution({ build: () => ({ type: 'log', log: 10 }) })))
    .withPanel(lines({
      width: 12,
      title: 'Loss and learning rate',
      description: 'Numbers of the whole run as the trainer sent them.',
      unit: 'none',
      queries: [query(`firekeeper_run_scalar{${RUN}}`, '{{name}}')],
    }))

    .withRow(row('Data'))
    .withPanel(linkToLayer(lines({
      width: 12,
      title: 'Coverage',
      description: 'Share of the data shards that contributed to the newest window. Below 1, verdicts say UNKNOWN.',
      unit: 'percentunit',
      queries: [query(`min by (layer) (layer:firekeeper_coverage:ratio{${LAYER}})`, '{{layer}}')],
    }).min(0).max(1)))
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
