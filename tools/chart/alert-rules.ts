import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

import type { MetricSpec } from '../../lib/edge/telemetry/metric-spec.ts';
import { AUTHORITY_METRICS } from '../../lib/edge/telemetry/authority-metrics.ts';
import { SIDECAR_METRICS } from '../../lib/edge/telemetry/sidecar-metrics.ts';
import { WEBHOOK_METRICS } from '../../lib/edge/telemetry/webhook-metrics.ts';

export const ALERTS_FILE = join(import.meta.dirname, '../../charts/valetkey/alerts.yaml');

export type Alert = {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: { readonly severity: string };
  readonly annotations: {
    readonly summary: string;
    readonly description: string;
    readonly runbook_url: string;
  };
};
type RecordingRule = {
  readonly record: string;
  readonly expr: string;
  readonly labels?: Readonly<Record<string, string>>;
};
type Rule = Alert | RecordingRule;
export type RuleGroup = { readonly name: string; readonly rules: readonly Rule[] };

export const readRuleGroups = (): readonly RuleGroup[] =>
  (parse(readFileSync(ALERTS_FILE, 'utf8')) as { readonly groups: readonly RuleGroup[] }).groups;

export const readAlerts = (): readonly Alert[] =>
  readRuleGroups().flatMap(({ rules }) => rules.filter((rule) => 'alert' in rule));

export const readRecordingRules = (): readonly RecordingRule[] =>
  readRuleGroups().flatMap(({ rules }) => rules.filter((rule) => 'record' in rule));

/** Metrics of the API server that our rules use, with their labels. */
const API_SERVER_METRICS = [
  {
    name: 'apiserver_admission_webhook_rejection_count',
    labels: ['name', 'type', 'operation', 'error_type', 'rejection_code'],
  },
];

type NamedLabels = Pick<MetricSpec, 'labels'> & { readonly name: string };

const toRecordedMetric = ({ record }: RecordingRule): NamedLabels => ({
  name: record,
  labels: ['slo'],
});

/** The labels of every metric that rules and dashboards may use: ours, recorded ones, the API server's. */
export const readMetricLabels = (): ReadonlyMap<string, readonly string[]> => {
  const specs: readonly NamedLabels[] = [
    ...WEBHOOK_METRICS,
    ...AUTHORITY_METRICS,
    ...SIDECAR_METRICS,
    ...API_SERVER_METRICS,
    ...readRecordingRules().map(toRecordedMetric),
  ];
  return new Map(specs.map(({ name, labels }) => [name, labels]));
};

/** The metrics that an expression reads. The series of a histogram count as the histogram. */
export const listMetrics = (expr: string): readonly string[] =>
  Array.from(
    expr.matchAll(/(?<![\w:"])((?:slo:)?(?:valetkey|apiserver|nodejs|process)_[\w:]+)/g),
    ([, name = '']) => name.replace(/_(bucket|count|sum)$/, (suffix) => keepSuffix(name, suffix)),
  );

/** `…_rejection_count` of the API server is a counter. */
const keepSuffix = (name: string, suffix: string): string =>
  API_SERVER_METRICS.some((metric) => metric.name === name) ? suffix : '';
