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
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 10, 30],
    exemplars: ['request_id', 'trace_id'],
  },
  capacityUsed: {
    name: 'valetkey_webhook_capacity_used',
    type: 'gauge',
    help: 'Use of a limited resource of this replica, by resource: connections of the HTTPS port.',
    labels: ['resource'],
    unit: '1',
  },
  capacityMax: {
    name: 'valetkey_webhook_capacity_max',
    type: 'gauge',
    help: 'The maximum of each resource of valetkey_webhook_capacity_used. At the maximum the replica closes new connections.',
    labels: ['resource'],
    unit: '1',
  },
  policyQueueLength: {
    name: 'valetkey_webhook_policy_queue_length',
    type: 'gauge',
    help: 'Tasks that policy evaluates or that wait for it; namespaces take turns. Only the connections and the 16 tasks of a pod limit it. Absent with trust: cluster.',
    labels: [],
    unit: '1',
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
