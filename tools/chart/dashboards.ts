/**
 * Writes charts/valetkey/dashboards/*.json, the Grafana dashboards of the chart, from the panels below:
 * `node tools/chart/dashboards.ts`.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { AUTHORITY_METRIC_SPECS } from '../../lib/edge/telemetry/authority-metric-specs.ts';
import type { MetricSpec } from '../../lib/edge/telemetry/metric-spec.ts';
import { SIDECAR_METRIC_SPECS } from '../../lib/edge/telemetry/sidecar-metric-specs.ts';
import { WEBHOOK_METRIC_SPECS } from '../../lib/edge/telemetry/webhook-metric-specs.ts';

type Unit = 'short' | 's' | 'bytes' | 'percentunit' | 'reqps' | 'none';
/** A PromQL query and the legend of its series, in Grafana's notation. */
type Query = readonly [expr: string, legend: string];

export type Panel = {
  readonly title: string;
  /** What the panel shows and which value is bad. */
  readonly description: string;
  readonly unit: Unit;
  /** stat: the last value; timeseries: over time. */
  readonly type: 'stat' | 'timeseries';
  readonly queries: readonly Query[];
};

export type Dashboard = {
  readonly name: string;
  readonly title: string;
  /** PromQL variables beside the data source: name, and the metric with the label of that name. */
  readonly variables?: Readonly<Record<string, string>>;
  readonly panels: readonly Panel[];
};

const series = (
  title: string,
  description: string,
  unit: Unit,
  ...queries: readonly Query[]
): Panel => ({ title, description, unit, type: 'timeseries', queries });

const stat = (
  title: string,
  description: string,
  unit: Unit,
  ...queries: readonly Query[]
): Panel => ({ title, description, unit, type: 'stat', queries });

const rate = (selector: string): string => `rate(${selector}[$__rate_interval])`;

const quantiles = (metric: string, by: string, selector = ''): readonly Query[] =>
  [0.5, 0.99].map((quantile) => [
    `histogram_quantile(${quantile}, sum by (le, ${by}) (${rate(`${metric}_bucket${selector}`)}))`,
    `p${quantile * 100} {{${by}}}`,
  ]);

const timeLeft = (metric: string, legend: string): Query => [`${metric} - time()`, legend];

const watchAge = (program: 'webhook' | 'authority'): Panel =>
  series(
    'Age of watches',
    'Time since the API server last confirmed each watch. Above the limit of the alerts, pods or runs are denied.',
    's',
    [`time() - valetkey_${program}_watch_last_sync_timestamp_seconds`, '{{pod}} {{resource}}'],
  );

const capacity = (program: 'webhook' | 'authority'): Panel =>
  series(
    'Used capacity',
    'Use of each limited resource as a fraction of its maximum. At 1 the replica refuses more.',
    'percentunit',
    [
      `valetkey_${program}_capacity_used / valetkey_${program}_capacity_max`,
      '{{pod}} {{resource}}',
    ],
  );

/** @param marker a metric that only this program has: other programs also have process metrics */
const processPanels = (marker: string): readonly Panel[] => {
  const own = `and on (namespace, pod) ${marker}`;
  return [
    series('CPU', 'CPU time per second of each replica.', 'none', [
      `${rate('process_cpu_seconds_total')} ${own}`,
      '{{pod}}',
    ]),
    series(
      'Memory',
      'Resident memory of each replica. The kubelet ends it at its limit.',
      'bytes',
      [`process_resident_memory_bytes ${own}`, '{{pod}}'],
      [`nodejs_heap_size_used_bytes ${own}`, '{{pod}} heap'],
    ),
    series(
      'Delay of the event loop',
      '99th percentile. Above 0.5 s, probes and requests are slow.',
      's',
      [`nodejs_eventloop_lag_p99_seconds ${own}`, '{{pod}}'],
    ),
    series('Garbage collection', 'Share of time in garbage collection.', 'percentunit', [
      `sum by (namespace, pod) (${rate('nodejs_gc_duration_seconds_sum')}) ${own}`,
      '{{pod}}',
    ]),
  ];
};

const objectivePanels: readonly Panel[] = [
  stat(
    'Failed events of an hour',
    'Share of failed events for each objective (docs/slo.md).',
    'percentunit',
    ['slo:valetkey_errors:ratio_rate1h', '{{slo}}'],
  ),
  stat(
    'Rate of use of the error budget',
    'Over an hour. At 1 the budget lasts exactly 30 days; at 14.4 an alert fires.',
    'none',
    ['slo:valetkey_errors:ratio_rate1h / on (slo) (1 - slo:valetkey_objective:ratio)', '{{slo}}'],
  ),
];

const inNamespace = '{namespace=~"$namespace"}';

export const DASHBOARDS: readonly Dashboard[] = [
  {
    name: 'fleet',
    title: 'Valetkey / Fleet',
    variables: { namespace: 'valetkey_sidecar_runs_started_total' },
    panels: [
      ...objectivePanels,
      stat('Sidecars', 'Running sidecars that Prometheus scrapes, by version.', 'short', [
        `count by (version) (valetkey_build_info and on (namespace, pod) valetkey_sidecar_clock_skew_seconds${inNamespace})`,
        '{{version}}',
      ]),
      stat(
        'Connected sidecars',
        'Share of sidecars with an event stream of the authority. The others receive a revocation late.',
        'percentunit',
        [`avg(valetkey_sidecar_authority_connected${inNamespace})`, 'connected'],
      ),
      series('Runs started', 'Per second, by namespace.', 'reqps', [
        `sum by (namespace) (${rate(`valetkey_sidecar_runs_started_total${inNamespace}`)})`,
        '{{namespace}}',
      ]),
      series('Runs ended', 'Per second, by reason.', 'reqps', [
        `sum by (reason) (${rate(`valetkey_sidecar_runs_ended_total${inNamespace}`)})`,
        '{{reason}}',
      ]),
      series(
        'Exchanges',
        'Per second, by outcome. A refusal of the authority is a decision.',
        'reqps',
        [
          `sum by (outcome) (${rate(`valetkey_sidecar_exchanges_total${inNamespace}`)})`,
          '{{outcome}}',
        ],
      ),
      series(
        'Time of an exchange',
        'Retries included. A consumer waits up to 1.8 s for it.',
        's',
        ...quantiles('valetkey_sidecar_exchange_duration_seconds', 'outcome', inNamespace),
      ),
      series('Requests of consumers', 'Per second, by status code.', 'reqps', [
        `sum by (code) (${rate(`valetkey_sidecar_requests_total${inNamespace}`)})`,
        '{{code}}',
      ]),
      series(
        'Shortest remaining lifetime',
        'Time until the deadline of the longest-lived credentials of a task: the minimum over its pods.',
        's',
        [
          `min by (namespace, task) (valetkey_sidecar_credentials_expiration_timestamp_seconds${inNamespace}) - time()`,
          '{{namespace}} {{task}}',
        ],
      ),
      series(
        'Size of session policies',
        'As a fraction of the limit of STS, which rejects more than 1.',
        'percentunit',
        [
          `max by (namespace, task) (valetkey_sidecar_packed_policy_ratio${inNamespace})`,
          '{{namespace}} {{task}}',
        ],
      ),
      series(
        'Clock skew',
        'Largest difference between the clock of a node and that of the cloud. Above 30 s, runs are refused.',
        's',
        [`max(abs(valetkey_sidecar_clock_skew_seconds${inNamespace}))`, 'largest'],
      ),
    ],
  },
  {
    name: 'gateway',
    title: 'Valetkey / Gateway',
    variables: { namespace: 'valetkey_sidecar_calls_total' },
    panels: [
      series('Calls', 'Per second, by outcome.', 'reqps', [
        `sum by (outcome) (${rate(`valetkey_sidecar_calls_total${inNamespace}`)})`,
        '{{outcome}}',
      ]),
      series('Refusals', 'By code; docs/gateway.md has the remedy of each.', 'reqps', [
        `topk(10, sum by (code) (${rate('valetkey_sidecar_calls_total{outcome="refused",namespace=~"$namespace"}')}))`,
        '{{code}}',
      ]),
      series(
        'Time of a call',
        'From the first header to the end of the response of the cloud.',
        's',
        ...quantiles('valetkey_sidecar_call_duration_seconds', 'outcome', inNamespace),
      ),
      series(
        'Time that the gateway adds',
        'Verification, decision and signature, 99th percentile.',
        's',
        [
          `histogram_quantile(0.99, sum by (le) (${rate(`valetkey_sidecar_call_overhead_seconds_bucket${inNamespace}`)}))`,
          'p99',
        ],
      ),
      series('Traffic', 'Bytes per second, headers included.', 'bytes', [
        `sum by (direction) (${rate(`valetkey_sidecar_call_bytes_total${inNamespace}`)})`,
        '{{direction}}',
      ]),
      series(
        'Calls in flight, connections',
        'All sidecars.',
        'short',
        [`sum(valetkey_sidecar_calls_in_flight${inNamespace})`, 'calls in flight'],
        [`sum(valetkey_sidecar_upstream_connections${inNamespace})`, 'connections to clouds'],
      ),
      series(
        'Buffered bodies',
        'The largest of all sidecars; its limit is gateway.buffers.',
        'bytes',
        [`max(valetkey_sidecar_buffered_bytes${inNamespace})`, 'largest'],
      ),
      series(
        'Calls with an unknown resource',
        'Allowed by their action; the session policy alone limits the resource.',
        'reqps',
        [
          `sum by (service) (${rate(`valetkey_sidecar_resources_unresolved_total${inNamespace}`)})`,
          '{{service}}',
        ],
      ),
    ],
  },
  {
    name: 'admission',
    title: 'Valetkey / Admission',
    panels: [
      stat('Trusted replicas', 'Replicas whose certificate the API servers trust.', 'short', [
        'sum(valetkey_webhook_ca_bundle_trusted)',
        'trusted',
      ]),
      stat(
        'Certificate expires in',
        'The earliest of all replicas.',
        's',
        timeLeft('min(valetkey_webhook_certificate_expiration_timestamp_seconds)', 'remaining'),
      ),
      series('Admission requests', 'Per second, by operation and outcome.', 'reqps', [
        `sum by (operation, outcome) (${rate('valetkey_webhook_admissions_total')})`,
        '{{operation}} {{outcome}}',
      ]),
      series('Denials', 'By the violated rule, declaration or policy.', 'reqps', [
        `sum by (reason) (${rate('valetkey_webhook_admissions_total{outcome="denied"}')})`,
        '{{reason}}',
      ]),
      series(
        'Time of a request',
        'The API server waits up to webhook.timeoutSeconds.',
        's',
        ...quantiles('valetkey_webhook_admission_duration_seconds', 'operation'),
      ),
      series(
        'Rejections counted by API servers',
        'error_type no_error: a denial. Others: the API server could not call the webhook.',
        'reqps',
        [
          `sum by (name, error_type) (${rate('apiserver_admission_webhook_rejection_count{name=~".*[.]valetkey[.]dev"}')})`,
          '{{name}} {{error_type}}',
        ],
      ),
      series('Policy queue', 'Tasks that policy evaluates or that wait for it.', 'short', [
        'valetkey_webhook_policy_queue_length',
        '{{pod}}',
      ]),
      capacity('webhook'),
      watchAge('webhook'),
      series('Injection templates', 'Templates that each replica accepts.', 'short', [
        'valetkey_webhook_injection_templates',
        '{{pod}}',
      ]),
      series('Failed reconciliations', 'Per second, by controller.', 'reqps', [
        `sum by (pod, controller) (${rate('valetkey_webhook_reconcile_errors_total')})`,
        '{{pod}} {{controller}}',
      ]),
      ...processPanels('valetkey_webhook_ca_bundle_trusted'),
    ],
  },
  {
    name: 'authority',
    title: 'Valetkey / Authority',
    panels: [
      stat('Trusted replicas', 'Replicas whose certificate sidecars trust.', 'short', [
        'sum(valetkey_authority_certificate_trusted)',
        'trusted',
      ]),
      stat(
        'Certificate expires in',
        'The earliest of all replicas.',
        's',
        timeLeft('min(valetkey_authority_certificate_expiration_timestamp_seconds)', 'remaining'),
      ),
      stat('TaskPolicies', 'Every run is denied while one is invalid.', 'short', [
        'max by (state) (valetkey_authority_task_policies)',
        '{{state}}',
      ]),
      stat(
        'First vend exception ends in',
        'Runs with delivery vend that only this permit allows are denied after it.',
        's',
        timeLeft('min(valetkey_authority_policy_until_timestamp_seconds)', 'remaining'),
      ),
      stat('Revocations', 'In force.', 'short', [
        'max(valetkey_authority_revocations)',
        'revocations',
      ]),
      series('Requests for runs', 'Per second, by outcome.', 'reqps', [
        `sum by (outcome) (${rate('valetkey_authority_request_duration_seconds_count{route="token"}')})`,
        '{{outcome}}',
      ]),
      series('Refusals', 'By code; docs/refusals.md has the remedy of each.', 'reqps', [
        `topk(10, sum by (reason) (${rate('valetkey_authority_requests_total{route="token",reason!="none"}')}))`,
        '{{reason}}',
      ]),
      series(
        'Time of a request for a run',
        'With policy, audit record and the exchange at STS.',
        's',
        ...quantiles('valetkey_authority_request_duration_seconds', 'outcome', '{route="token"}'),
      ),
      series('Event streams', 'Connected sidecars of each replica.', 'short', [
        'valetkey_authority_event_streams',
        '{{pod}}',
      ]),
      capacity('authority'),
      watchAge('authority'),
      series(
        'Time until a revocation is in the deny lists',
        'From the creation of the Revocation. Only roles that opt in.',
        's',
        [
          `histogram_quantile(0.99, sum by (le) (${rate('valetkey_authority_deny_list_update_duration_seconds_bucket')}))`,
          'p99',
        ],
      ),
      series(
        'Problems with keys and CAs',
        'Expected: none.',
        'short',
        ['max by (problem) (valetkey_authority_signing_key_problems)', '{{problem}}'],
        ['max(valetkey_authority_trust_bundles_missing_next_ca)', 'bundles without the next CA'],
      ),
      series('Failed reconciliations', 'Per second, by controller.', 'reqps', [
        `sum by (pod, controller) (${rate('valetkey_authority_reconcile_errors_total')})`,
        '{{pod}} {{controller}}',
      ]),
      series('Clock skew', 'Difference to the cloud. Above 30 s, runs are refused.', 's', [
        'valetkey_authority_clock_skew_seconds',
        '{{pod}}',
      ]),
      ...processPanels('valetkey_authority_certificate_trusted'),
      series('Secrets of Upstreams', 'Per second, by source and outcome.', 'reqps', [
        `sum by (source, outcome) (${rate('valetkey_authority_secrets_fetched_total')})`,
        '{{source}} {{outcome}}',
      ]),
      series('Secrets revoked after their run', 'Per second, by outcome.', 'reqps', [
        `sum by (outcome) (${rate('valetkey_authority_secrets_revoked_total')})`,
        '{{outcome}}',
      ]),
      series('Upstreams', 'Runs get no secret of those that are not ready.', 'short', [
        'max by (state) (valetkey_authority_upstreams)',
        '{{state}}',
      ]),
      series(
        'Age of static secrets',
        'And the largest age that the Upstream allows.',
        's',
        [
          'max by (upstream) (time() - valetkey_authority_secret_changed_timestamp_seconds)',
          '{{upstream}}',
        ],
        ['max by (upstream) (valetkey_authority_secret_max_age_seconds)', '{{upstream}} at most'],
      ),
    ],
  },
  {
    name: 'approvals',
    title: 'Valetkey / Approvals',
    panels: [
      series(
        'Requests to people',
        'In the cluster, by state. They are removed one hour after their end.',
        'short',
        ['max by (state) (valetkey_authority_approvals)', '{{state}}'],
      ),
      series('New requests', 'Per second.', 'reqps', [
        `sum(${rate('valetkey_authority_approval_requests_total')})`,
        'requested',
      ]),
      series('What became of them', 'When the same request collects it, per second.', 'reqps', [
        `sum by (outcome) (${rate('valetkey_authority_approvals_used_total')})`,
        '{{outcome}}',
      ]),
      series(
        'Delegations',
        'Handles, the runs that they started, and refusals, per second.',
        'reqps',
        [`sum by (outcome) (${rate('valetkey_authority_delegations_total')})`, '{{outcome}}'],
      ),
      series(
        'Proposals',
        'Rights that agents lacked, written down or refused, per second.',
        'reqps',
        [`sum by (outcome) (${rate('valetkey_authority_proposals_total')})`, '{{outcome}}'],
      ),
      series(
        'Time to a decision',
        'From the request to the decision of a person.',
        's',
        [
          `histogram_quantile(0.5, sum by (le) (${rate('valetkey_authority_approval_wait_seconds_bucket')}))`,
          'p50',
        ],
        [
          `histogram_quantile(0.9, sum by (le) (${rate('valetkey_authority_approval_wait_seconds_bucket')}))`,
          'p90',
        ],
      ),
      series(
        'Emergencies',
        'Used and reviewed in an hour, and those that wait for a review.',
        'short',
        ['sum by (outcome) (increase(valetkey_authority_emergencies_total[1h]))', '{{outcome}}'],
        ['max(valetkey_authority_emergencies_unreviewed)', 'without a review'],
      ),
      series('Canaries', 'Used in an hour: each use revokes its pod.', 'short', [
        'sum by (kind) (increase(valetkey_authority_canaries_touched_total[1h]))',
        '{{kind}}',
      ]),
      series('Signals', 'Pushed by transmitters, in an hour.', 'short', [
        'sum by (transmitter, outcome) (increase(valetkey_authority_signals_total[1h]))',
        '{{transmitter}} {{outcome}}',
      ]),
      series('Notices', 'Calls of the webhook of approvals, per second.', 'reqps', [
        `sum by (outcome) (${rate('valetkey_authority_approval_notices_total')})`,
        '{{outcome}}',
      ]),
      series('Gates', 'Of active runs in all pods: deny here, or ask the authority.', 'short', [
        'sum by (gate) (valetkey_sidecar_gates)',
        '{{gate}}',
      ]),
      series(
        'Calls that the authority decided',
        'Calls of runs that a policy about calls concerns, by outcome. With `unavailable` the gateway refuses them.',
        'reqps',
        [`sum by (outcome) (${rate('valetkey_authority_gated_calls_total')})`, '{{outcome}}'],
      ),
      series(
        'Time to decide a call',
        'From the complete request of the sidecar to the decision. The call waits so long.',
        's',
        [
          `histogram_quantile(0.5, sum by (le) (${rate('valetkey_authority_gated_call_duration_seconds_bucket')}))`,
          'p50',
        ],
        [
          `histogram_quantile(0.99, sum by (le) (${rate('valetkey_authority_gated_call_duration_seconds_bucket')}))`,
          'p99',
        ],
      ),
    ],
  },
  {
    name: 'audit',
    title: 'Valetkey / Audit',
    panels: [
      stat(
        'Failed writes of an hour',
        'Nothing is issued after one, until a write succeeds.',
        'short',
        ['sum(increase(valetkey_authority_audit_write_errors_total[1h]))', 'failed'],
      ),
      stat('Free space', 'The least of all replicas.', 'percentunit', [
        'min(valetkey_authority_audit_volume_free_bytes / valetkey_authority_audit_volume_size_bytes)',
        'free',
      ]),
      series('Records', 'Per second, of each replica.', 'reqps', [
        `sum by (pod) (${rate('valetkey_authority_audit_records_total')})`,
        '{{pod}}',
      ]),
      series(
        'Time of a write',
        'Until every sink has stored the records. Each run waits for one.',
        's',
        ...quantiles('valetkey_authority_audit_write_duration_seconds', 'pod'),
      ),
      series('Reports of calls', 'Heads of call journals, per second.', 'reqps', [
        `sum by (pod) (${rate('valetkey_authority_call_records_total')})`,
        '{{pod}}',
      ]),
      series('Failed writes', 'Per second, by code.', 'reqps', [
        `sum by (code) (${rate('valetkey_authority_audit_write_errors_total')})`,
        '{{code}}',
      ]),
      series(
        'Waiting records',
        'They share one write. At the maximum, requests are refused.',
        'short',
        ['valetkey_authority_capacity_used{resource="audit_queue"}', '{{pod}}'],
      ),
      series(
        'Volume',
        'Free space, and what is free in six hours at the rate of the last hour.',
        'bytes',
        ['valetkey_authority_audit_volume_free_bytes', '{{pod}}'],
        [
          'predict_linear(valetkey_authority_audit_volume_free_bytes[1h], 6 * 3600)',
          '{{pod}} in six hours',
        ],
      ),
      series(
        'Roles at databases',
        'Of runs at database servers, and those that could not be dropped.',
        'short',
        ['max by (upstream, state) (valetkey_authority_database_roles)', '{{upstream}} {{state}}'],
      ),
      series('Exports', 'Of closed files to the bucket, by outcome.', 'reqps', [
        `sum by (outcome) (${rate('valetkey_authority_audit_exports_total')})`,
        '{{outcome}}',
      ]),
      series(
        'Refusals because of the audit budget',
        'One namespace causes too many records.',
        'reqps',
        [
          `sum(${rate('valetkey_authority_requests_total{reason="rate_limited_audit"}')})`,
          'rate_limited_audit',
        ],
      ),
    ],
  },
];

const DATA_SOURCE = { type: 'prometheus', uid: '${datasource}' };
/** Grafana's grid has 24 columns. */
export const COLUMNS = 24;
const STAT = { w: 6, h: 5 };
const SERIES = { w: 12, h: 8 };

type Position = { readonly x: number; readonly y: number; readonly w: number; readonly h: number };

/** Places panels from left to right; a row is as high as its panels, which have one type. */
export const placePanels = (panels: readonly Panel[]): readonly Position[] => {
  let [x, y, rowHeight] = [0, 0, 0];
  return panels.map(({ type }) => {
    const { w, h } = type === 'stat' ? STAT : SERIES;
    if (x + w > COLUMNS || (rowHeight !== 0 && rowHeight !== h && x > 0)) {
      y += rowHeight;
      x = 0;
    }
    const position = { x, y, w, h };
    x += w;
    rowHeight = h;
    return position;
  });
};

const SPECS: readonly MetricSpec[] = [
  ...Object.values(WEBHOOK_METRIC_SPECS),
  ...Object.values(AUTHORITY_METRIC_SPECS),
  ...Object.values(SIDECAR_METRIC_SPECS),
];

/** Whether a query is about buckets with exemplars. Grafana shows them as points that lead to a trace. */
const hasExemplars = (expr: string): boolean =>
  SPECS.some(({ name, exemplars }) => exemplars !== undefined && expr.includes(`${name}_bucket`));

const toPanel = (panel: Panel, index: number, gridPos: Position | undefined) => ({
  id: index + 1,
  title: panel.title,
  description: panel.description,
  type: panel.type,
  datasource: DATA_SOURCE,
  gridPos,
  fieldConfig: { defaults: { unit: panel.unit }, overrides: [] },
  options:
    panel.type === 'stat'
      ? { reduceOptions: { calcs: ['lastNotNull'] }, textMode: 'value_and_name' }
      : { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi' } },
  targets: panel.queries.map(([expr, legendFormat], number) => ({
    refId: String.fromCharCode(65 + number),
    datasource: DATA_SOURCE,
    expr,
    legendFormat,
    ...(panel.type === 'stat'
      ? { instant: true, range: false }
      : hasExemplars(expr) && { exemplar: true }),
  })),
});

const toVariable = ([name, metric]: readonly [string, string]) => ({
  name,
  type: 'query',
  datasource: DATA_SOURCE,
  query: { query: `label_values(${metric}, ${name})`, refId: name },
  refresh: 2,
  includeAll: true,
  multi: true,
  allValue: '.*',
  current: { text: 'All', value: '$__all' },
});

/** The dashboard as Grafana imports it. */
export const renderDashboard = (dashboard: Dashboard): string => {
  const positions = placePanels(dashboard.panels);
  const model = {
    uid: `valetkey-${dashboard.name}`,
    title: dashboard.title,
    tags: ['valetkey'],
    schemaVersion: 39,
    editable: true,
    timezone: 'browser',
    refresh: '1m',
    time: { from: 'now-6h', to: 'now' },
    templating: {
      list: [
        { name: 'datasource', type: 'datasource', query: 'prometheus' },
        ...Object.entries(dashboard.variables ?? {}).map(toVariable),
      ],
    },
    links: [
      {
        type: 'dashboards',
        title: 'Valetkey',
        tags: ['valetkey'],
        asDropdown: true,
        keepTime: true,
      },
    ],
    panels: dashboard.panels.map((panel, index) => toPanel(panel, index, positions[index])),
  };
  return `${JSON.stringify(model, undefined, 2)}\n`;
};

/** Replaces Grafana's variables in a query. */
export const replaceVariables = (
  expr: string,
  { rateInterval = '5m', namespace = 'research' } = {},
): string => expr.replaceAll('$__rate_interval', rateInterval).replaceAll('$namespace', namespace);

/** Every query, with Grafana's variables replaced by values. */
export const listQueries = ({ panels }: Dashboard): readonly string[] =>
  panels.flatMap(({ queries }) => queries.map(([expr]) => replaceVariables(expr)));

export const DASHBOARDS_FOLDER = join(import.meta.dirname, '../../charts/valetkey/dashboards');

if (import.meta.main) {
  mkdirSync(DASHBOARDS_FOLDER, { recursive: true });
  for (const dashboard of DASHBOARDS)
    writeFileSync(join(DASHBOARDS_FOLDER, `${dashboard.name}.json`), renderDashboard(dashboard));
}
