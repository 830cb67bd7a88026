// Firekeeper itself.

import {
  COLOUR, board, instant, labelsVariable, lines, linkTo, query, row, stat, steps,
} from './parts.js';

const SERVER = 'instance=~"$instance"';

function latency(quantile, legendText) {
  return query(
    `histogram_quantile(${quantile}, sum by (le) (rate(grpc_server_handling_seconds_bucket{${SERVER},`
      + 'grpc_type="unary"}[$__rate_interval])))',
    legendText,
  );
}

export function server() {
  return board('Firekeeper / Server', 'firekeeper-server', 'Firekeeper itself: ingest, acks, queries, memory, store')
    .withVariable(labelsVariable('instance', 'Server', 'firekeeper_build_info'))
    .link(linkTo('Fleet', 'firekeeper-fleet'))

    .withRow(row('Now'))
    .withPanel(stat({
      width: 4,
      title: 'Up',
      description: 'Servers that answered the last scrape.',
      unit: 'short',
      queries: [instant(`sum(up{job="firekeeper",${SERVER}})`)],
    }).thresholds(steps([null, COLOUR.dead], [1, COLOUR.alive])))
    .withPanel(stat({
      width: 4,
      title: 'Streams',
      description: 'Ingest streams that are open.',
      unit: 'short',
      queries: [instant(`sum(firekeeper_streams_open{${SERVER}})`)],
    }).thresholds(steps([null, COLOUR.other])))
    .withPanel(stat({
      width: 4,
      title: 'Runs',
      description: 'Runs that are shown.',
      unit: 'short',
      queries: [instant(`sum(instance:firekeeper_runs:count{${SERVER}})`)],
    }).thresholds(steps([null, COLOUR.other])))
    .withPanel(stat({
      width: 4,
      title: 'Memory for windows',
      description: 'Part of max-state-bytes that is used; new windows are refused at 100 %.',
      unit: 'percentunit',
      queries: [instant(`max(instance:firekeeper_state_bytes:ratio{${SERVER}})`)],
    }).thresholds(steps([null, COLOUR.alive], [0.7, COLOUR.dying], [0.9, COLOUR.dead])))
    .withPanel(stat({
      width: 4,
      title: 'Disk full',
      description: '1 while the disk is full and nothing is taken in.',
      unit: 'short',
      queries: [instant(`max(firekeeper_store_degraded{${SERVER}})`)],
    }).thresholds(steps([null, COLOUR.alive], [1, COLOUR.dead])))
    .withPanel(stat({
      width: 4,
      title: 'Damaged rows',
      description: 'Rows that failed their check and were set aside.',
      unit: 'short',
      queries: [instant(`sum(firekeeper_store_quarantined_rows{${SERVER}})`)],
    }).thresholds(steps([null, COLOUR.alive], [1, COLOUR.dead])))

    .withRow(row('Ingest'))
    .withPanel(lines({
      width: 8,
      title: 'Snapshots',
      description: 'What became of the snapshots of all runs.',
      unit: 'ops',
      queries: [query(
        `sum by (outcome) (rate(firekeeper_run_snapshots_total{${SERVER}}[$__rate_interval]))`, '{{outcome}}',
      )],
    }).min(0))
    .withPanel(lines({
      width: 8,
      title: 'Payload',
      description: 'Bytes of snapshots that came.',
      unit: 'Bps',
      queries: [query(`sum(rate(firekeeper_run_payload_bytes_total{${SERVER}}[$__rate_interval]))`, 'payload')],
    }).min(0))
    .withPanel(lines({
      width: 8,
      title: 'Refused',
      description: 'Connections closed on arrival, streams that were fenced, and series that scrapes leave out.',
      unit: 'short',
      queries: [
        query(`sum(increase(firekeeper_connections_refused_total{${SERVER}}[5m]))`, 'connections in 5 min'),
        query(`sum(increase(firekeeper_run_fenced_total{${SERVER}}[5m]))`, 'fenced streams in 5 min'),
        query(`sum(firekeeper_series_dropped{${SERVER}})`, 'series left out'),
      ],
    }).min(0))

    .withRow(row('Calls'))
    .withPanel(lines({
      width: 8,
      title: 'Calls by result',
      description: 'gRPC calls that ended, by status code.',
      unit: 'ops',
      queries: [query(
        `sum by (grpc_code) (rate(grpc_server_handled_total{${SERVER}}[$__rate_interval]))`, '{{grpc_code}}',
      )],
    }).min(0))
    .withPanel(lines({
      width: 8,
      title: 'Time of queries',
      description: 'From the start of a unary call to its end.',
      unit: 's',
      queries: [latency(0.5, 'median'), latency(0.99, '99 %')],
    }).min(0))
    .withPanel(lines({
      width: 8,
      title: 'Messages',
      description: 'gRPC messages received and sent: acks and answers are among the sent.',
      unit: 'ops',
      queries: [
        query(`sum(rate(grpc_server_msg_received_total{${SERVER}}[$__rate_interval]))`, 'received'),
        query(`sum(rate(grpc_server_msg_sent_total{${SERVER}}[$__rate_interval]))`, 'sent'),
      ],
    }).min(0))

    .withRow(row('Store'))
    .withPanel(lines({
      width: 8,
      title: 'Waiting for a commit',
      description: 'Bytes that are merged and not committed, so not acked as durable.',
      unit: 'bytes',
      queries: [query(`sum by (instance) (firekeeper_store_waiting_bytes{${SERVER}})`, '{{instance}}')],
    }).min(0))
    .withPanel(lines({
      width: 8,
      title: 'Time of a commit',
      description: 'What the last commit took.',
      unit: 's',
      queries: [query(`max by (instance) (firekeeper_store_last_commit_seconds{${SERVER}})`, '{{instance}}')],
    }).min(0))
    .withPanel(lines({
      width: 8,
      title: 'Disk',
      description: 'Size of the database files.',
      unit: 'bytes',
      queries: [query(`sum by (instance) (firekeeper_store_disk_bytes{${SERVER}})`, '{{instance}}')],
    }).min(0))

    .withRow(row('Process'))
    .withPanel(lines({
      width: 8,
      title: 'Memory',
      description: 'Of the process, and of the windows and reducers in it.',
      unit: 'bytes',
      queries: [
        query(`sum(process_resident_memory_bytes{${SERVER}})`, 'resident'),
        query(`sum(firekeeper_state_bytes{${SERVER}})`, 'windows and reducers'),
        query(`sum(firekeeper_state_limit_bytes{${SERVER}})`, 'limit of windows and reducers'),
      ],
    }).min(0))
    .withPanel(lines({
      width: 8,
      title: 'Processor',
      description: 'Cores that are busy.',
      unit: 'none',
      queries: [query(
        `sum by (instance) (rate(process_cpu_seconds_total{${SERVER}}[$__rate_interval]))`, '{{instance}}',
      )],
    }).min(0))
    .withPanel(lines({
      width: 8,
      title: 'Descriptors',
      description: 'Open files and sockets, of those that are allowed.',
      unit: 'percentunit',
      queries: [query(
        `max by (instance) (process_open_fds{${SERVER}} / process_max_fds{${SERVER}})`, '{{instance}}',
      )],
    }).min(0).max(1));
}
