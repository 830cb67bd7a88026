// All runs, worst first.

import { PanelBuilder as Table } from '@grafana/grafana-foundation-sdk/table';

import {
  COLOUR, bars, board, fill, instant, labelsVariable, lines, linkTo, pageVariable, query, row, rows,
  runPage, shareSteps, stat, steps,
} from './parts.js';

const RUNS = 'tenant=~"$tenant"';
const FAULTS = `firekeeper_run_finding{${RUNS},severity!="info"}`;
const RUN_URL = '/d/firekeeper-training?${datasource:queryparam}&${__url_time_range}'
  + '&var-tenant=${__data.fields.tenant}&var-run=${__data.fields.run}';

// A column of the table of runs.
function column(name, title, unit, thresholds) {
  const properties = [{ id: 'displayName', value: title }, { id: 'unit', value: unit }];
  if (thresholds) {
    properties.push({ id: 'thresholds', value: thresholds.build() });
    properties.push({ id: 'custom.cellOptions', value: { type: 'color-text' } });
  }
  return [name, properties];
}

function tableOfRuns() {
  const table = fill(new Table(), {
    title: 'Runs, worst first',
    description: 'Every run that reports or ended a few minutes ago. A click opens it.',
    unit: 'short',
    width: 24,
    height: 12,
    queries: [
      rows(`max by (tenant, run) (run:firekeeper_worst_layer_dead_units:ratio{${RUNS}})`, 'worst'),
      rows(`max by (tenant, run) (run:firekeeper_dead_units:ratio{${RUNS}})`, 'dead'),
      rows(`count by (tenant, run) (${FAULTS})`, 'findings'),
      rows(`min by (tenant, run) (layer:firekeeper_coverage:ratio{${RUNS}})`, 'coverage'),
      rows(`max by (tenant, run) (firekeeper_run_step{${RUNS}})`, 'step'),
      rows(`min by (tenant, run) (run:firekeeper_silence:seconds{${RUNS}})`, 'silence'),
    ],
  })
    .withTransformation({ id: 'merge', options: {} })
    .withTransformation({ id: 'organize', options: { excludeByName: { Time: true } } })
    .withTransformation({ id: 'sortBy', options: { sort: [{ field: 'Value #worst', desc: true }] } });
  for (const [name, properties] of [
    column('Value #worst', 'Worst layer', 'percentunit', shareSteps(0.2, 0.5)),
    column('Value #dead', 'Dead units', 'percentunit', shareSteps(0.05, 0.2)),
    column('Value #findings', 'Faults', 'short', steps([null, COLOUR.dying])),
    column('Value #coverage', 'Coverage', 'percentunit', steps([null, COLOUR.dead], [1, COLOUR.alive])),
    column('Value #step', 'Step', 'none'),
    column('Value #silence', 'Silent for', 's', steps([null, COLOUR.alive], [120, COLOUR.dying], [600, COLOUR.dead])),
  ]) {
    table.overrideByName(name, properties);
  }
  return table.overrideByName('run', [
    { id: 'displayName', value: 'Run' },
    {
      id: 'links',
      value: [
        { title: 'Training health of the run', url: RUN_URL },
        { title: 'The run on the page of the server', url: runPage('__data.fields.run'), targetBlank: true },
      ],
    },
  ]).overrideByName('tenant', [{ id: 'displayName', value: 'Tenant' }]);
}

export function fleet() {
  return board('Firekeeper / Fleet', 'firekeeper-fleet', 'All runs, worst first')
    .withVariable(labelsVariable('tenant', 'Tenant', 'firekeeper_run_info'))
    .withVariable(pageVariable())
    .link(linkTo('Server', 'firekeeper-server'))

    .withRow(row('Now'))
    .withPanel(stat({
      width: 6,
      title: 'Runs',
      description: 'Runs that report or ended a few minutes ago.',
      unit: 'short',
      queries: [instant(`count(firekeeper_run_info{${RUNS}})`)],
    }).thresholds(steps([null, COLOUR.other])))
    .withPanel(stat({
      width: 6,
      title: 'Runs with a fault',
      description: 'Runs of which the diagnosis found at least one cause.',
      unit: 'short',
      queries: [instant(`count(count by (tenant, run) (${FAULTS})) or vector(0)`)],
    }).thresholds(steps([null, COLOUR.alive], [1, COLOUR.dying])))
    .withPanel(stat({
      width: 6,
      title: 'Collapsed layers',
      description: 'Layers of all runs in which no unit can fire.',
      unit: 'short',
      queries: [instant(`sum(firekeeper_layer_alarm{${RUNS},alarm="collapsed"})`)],
    }).thresholds(steps([null, COLOUR.alive], [1, COLOUR.dead])))
    .withPanel(stat({
      width: 6,
      title: 'Units watched',
      description: 'Units of all layers of all runs.',
      unit: 'short',
      queries: [instant(`sum(run:firekeeper_units:sum{${RUNS}})`)],
    }).thresholds(steps([null, COLOUR.other])))

    .withRow(row('Runs'))
    .withPanel(tableOfRuns())
    .withPanel(bars({
      title: 'Worst layers',
      description: 'The ten layers with the greatest share of dead units.',
      unit: 'percentunit',
      width: 12,
      queries: [instant(`topk(10, layer:firekeeper_dead_units:ratio{${RUNS}})`, '{{run}} {{layer}}')],
    }).min(0).max(1).thresholds(shareSteps(0.2, 0.5)))
    .withPanel(lines({
      title: 'Dead units by run',
      description: 'The ten runs with the greatest share of dead units.',
      unit: 'percentunit',
      width: 12,
      queries: [query(`topk(10, max by (tenant, run) (run:firekeeper_dead_units:ratio{${RUNS}}))`, '{{run}}')],
    }).min(0).max(1));
}
