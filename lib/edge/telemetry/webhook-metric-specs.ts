import { BUILD_INFO_SPEC, type MetricSpec } from './metric-spec.ts';

/** The webhook's metrics, by the names that the code uses. */
export const WEBHOOK_METRIC_SPECS = {
  buildInfo: BUILD_INFO_SPEC,
  admissions: {
    name: 'valetkey_webhook_admissions_total',
    type: 'counter',
    help: 'Answered admission requests, by operation (mutate, validate, validate-policy, warn-workload), outcome (patched, allowed, denied, errored, malformed) and reason: the number of the violated rule; "declaration" for an invalid task declaration; "policy" for a task that policy denies and for an invalid TaskPolicy; "several"; or "none".',
    labels: ['operation', 'outcome', 'reason'],
    unit: '1',
  },
  admissionSeconds: {
    name: 'valetkey_webhook_admission_duration_seconds',
    type: 'histogram',
    help: 'Time from the complete request body to the complete response.',
    labels: ['operation'],
    unit: 'seconds',
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 10],
  },
  certificateExpiration: {
    name: 'valetkey_webhook_certificate_expiration_timestamp_seconds',
    type: 'gauge',
    help: "When this replica's serving certificate expires, in seconds since the epoch. Absent before the first certificate.",
    labels: [],
    unit: 'seconds',
  },
  caBundleTrusted: {
    name: 'valetkey_webhook_ca_bundle_trusted',
    type: 'gauge',
    help: "1 if the caBundle of both webhook configurations trusts this replica's certificate, else 0: API servers then reject its certificate.",
    labels: [],
    unit: '1',
  },
  reconcileErrors: {
    name: 'valetkey_webhook_reconcile_errors_total',
    type: 'counter',
    help: 'Failed reconciliations, by controller (certificate). They are retried; the current certificate stays in use.',
    labels: ['controller'],
    unit: '1',
  },
  injectionTemplates: {
    name: 'valetkey_webhook_injection_templates',
    type: 'gauge',
    help: 'Injection templates that this replica accepts. Running pods may have been injected from any of them.',
    labels: [],
    unit: '1',
  },
  watchLastSync: {
    name: 'valetkey_webhook_watch_last_sync_timestamp_seconds',
    type: 'gauge',
    help: 'When the API server last confirmed the watched resources, in seconds since the epoch, by resource: injection-templates (a replica updates them every 10 minutes), taskpolicies (confirmed every minute; only with trust: authority). Every task is denied when taskpolicies is older than authority.policyMaxStaleness.',
    labels: ['resource'],
    unit: 'seconds',
  },
} as const satisfies Readonly<Record<string, MetricSpec>>;
