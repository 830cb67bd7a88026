// What the dashboards share: one look, and every panel with what a reader needs.

import { PanelBuilder as BarGauge } from '@grafana/grafana-foundation-sdk/bargauge';
import {
  ReduceDataOptionsBuilder, VizLegendOptionsBuilder, VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common';
import * as dashboard from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder, PromQueryFormat } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as Stat } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as TimeSeries } from '@grafana/grafana-foundation-sdk/timeseries';

const DATASOURCE = { type: 'prometheus', uid: '${datasource}' };

// Colours that a reader with any kind of colour blindness can tell apart (Okabe
// and Ito, "Color Universal Design", 2008).
export const COLOUR = {
  alive: '#009E73',
  dying: '#E69F00',
  dead: '#D55E00',
  collapsed: '#000000',
  unknown: '#999999',
  silent: '#56B4E9',
  nan: '#CC79A7',
  other: '#0072B2',
};

/** A query of a panel. `legend`: text with {{labels}}; empty for one series. */
export function query(expr, legend = '') {
  return new DataqueryBuilder().expr(expr).legendFormat(legend).datasource(DATASOURCE).range();
}

/** The newest values only. */
export function instant(expr, legend = '') {
  return new DataqueryBuilder().expr(expr).legendFormat(legend).datasource(DATASOURCE).instant();
}

/** The newest values as rows of a table. */
export function rows(expr, refId) {
  return instant(expr).format(PromQueryFormat.Table).refId(refId);
}

export function steps(...values) {
  return new dashboard.ThresholdsConfigBuilder()
    .mode(dashboard.ThresholdsMode.Absolute)
    .steps(values.map(([value, color]) => ({ value, color })));
}

/** From fine to bad: nothing, `warning` and `critical` of 0 to 1. */
export function shareSteps(warning, critical) {
  return steps([null, COLOUR.alive], [warning, COLOUR.dying], [critical, COLOUR.dead]);
}

export function fixedColour(color) {
  return { id: 'color', value: { mode: 'fixed', fixedColor: color } };
}

/**
 * Fills in a panel.
 * @param {object} panel a panel builder
 * @param {{title: string, description: string, unit: string, queries: object[],
 *          width: number, height: number}} what
 */
export function fill(panel, { title, description, unit, queries, width, height = 8 }) {
  panel.title(title).description(description).unit(unit).datasource(DATASOURCE);
  panel.span(width).height(height);
  queries.forEach((each, i) => {
    if (each.build().refId === '') each.refId(String.fromCharCode('A'.charCodeAt(0) + i));
    panel.withTarget(each);
  });
  return panel;
}

// One figure of each series: its newest.
function newest() {
  return new ReduceDataOptionsBuilder().values(false).calcs(['lastNotNull']);
}

/** A panel of one figure. */
export function stat(what) {
  return fill(new Stat(), { height: 4, ...what })
    .colorMode('value')
    .graphMode('none')
    .reduceOptions(newest());
}

/** A bar for each series. */
export function bars(what) {
  return fill(new BarGauge(), what).orientation('horizontal').reduceOptions(newest());
}

/** Lines over time. */
export function lines(what) {
  return fill(new TimeSeries(), what).legend(legend()).tooltip(allInTooltip()).showPoints('never');
}

export function legend(placement = 'bottom') {
  return new VizLegendOptionsBuilder().showLegend(true).displayMode('list').placement(placement);
}

function allInTooltip() {
  return new VizTooltipOptionsBuilder().mode('multi').sort('desc');
}

export function datasourceVariable() {
  return new dashboard.DatasourceVariableBuilder('datasource').label('Data source').type('prometheus');
}

/** A variable with the values that a label has. */
export function labelVariable(name, text, values) {
  return new dashboard.QueryVariableBuilder(name)
    .label(text)
    .datasource(DATASOURCE)
    .query({ query: `label_values(${values}, ${name})`, refId: name })
    .refresh(dashboard.VariableRefresh.OnTimeRangeChanged)
    .sort(dashboard.VariableSort.NaturalAsc);
}

/** The same, of which several may be chosen; all are by default. */
export function labelsVariable(name, text, values) {
  return labelVariable(name, text, values).multi(true).includeAll(true).current({ text: 'All', value: '$__all' });
}

/** Where people reach the page of the server. */
export function pageVariable() {
  return new dashboard.TextBoxVariableBuilder('page').label('Page').defaultValue('http://127.0.0.1:9464');
}

/** The page of a run, which Grafana's `run` names. */
export function runPage(run) {
  return `\${page}/#/run/\${${run}:percentencode}`;
}

/** From a series of a layer to the page of the layer. */
export function linkToLayer(panel) {
  return panel.overrideByFieldType('number', [{
    id: 'links',
    value: [{
      title: 'The layer on the page of the server',
      url: `${runPage('run')}/layer/\${__field.labels.layer:percentencode}`,
      targetBlank: true,
    }],
  }]);
}

/** From a dashboard of a run to its page. */
export function linkToPage() {
  return new dashboard.DashboardLinkBuilder('Page of the run')
    .type('link')
    .url(runPage('run'))
    .icon('external link')
    .targetBlank(true);
}

export function annotation(name, color, expr, text) {
  const built = new dashboard.AnnotationQueryBuilder()
    .name(name)
    .datasource(DATASOURCE)
    .enable(true)
    .iconColor(color)
    .expr(expr);
  const build = built.build.bind(built);
  // The texts of an annotation of Prometheus are not in the schema of the SDK.
  built.build = () => ({ ...build(), titleFormat: name, textFormat: text, step: '15s' });
  return built;
}

export function linkTo(title, uid) {
  return new dashboard.DashboardLinkBuilder(title)
    .type('link')
    .url(`/d/${uid}?\${datasource:queryparam}`)
    .icon('dashboard')
    .keepTime(true);
}

export function board(title, uid, description) {
  return new dashboard.DashboardBuilder(title)
    .uid(uid)
    .description(description)
    .tags(['firekeeper'])
    .time({ from: 'now-6h', to: 'now' })
    .refresh('30s')
    .timezone('browser')
    .readonly()
    .tooltip(dashboard.DashboardCursorSync.Crosshair)
    .withVariable(datasourceVariable());
}

export function row(title) {
  return new dashboard.RowBuilder(title);
}
