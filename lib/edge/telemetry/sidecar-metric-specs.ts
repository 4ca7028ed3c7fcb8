import type { MetricSpec } from './metric.ts';

/** By what the code calls them. Tasks are those of the pod, routes and codes those of one table. */
export const SPECS = {
  exchanges: {
    name: 'valetkey_sidecar_exchanges_total',
    type: 'counter',
    help: 'Exchanges of the service-account token for credentials, by outcome: issued, refused, unavailable or abandoned.',
    labels: ['task', 'outcome'],
    unit: '1',
  },
  exchangeSeconds: {
    name: 'valetkey_sidecar_exchange_duration_seconds',
    type: 'histogram',
    help: 'How long exchanges took, retries included.',
    labels: ['outcome'],
    unit: 'seconds',
    buckets: [0.05, 0.1, 0.25, 0.5, 0.9, 2, 5, 10, 15],
  },
  remaining: {
    name: 'valetkey_sidecar_credentials_remaining_seconds',
    type: 'gauge',
    help: 'What remains of the longest-lived credentials held for a task; absent when none are held.',
    labels: ['task'],
    unit: 'seconds',
  },
  requests: {
    name: 'valetkey_sidecar_requests_total',
    type: 'counter',
    help: 'Answered requests of consumers, by route and HTTP status; what matches no route is "other".',
    labels: ['route', 'code'],
    unit: '1',
  },
  runsStarted: {
    name: 'valetkey_sidecar_runs_started_total',
    type: 'counter',
    help: 'Runs started.',
    labels: ['task'],
    unit: '1',
  },
  runsEnded: {
    name: 'valetkey_sidecar_runs_ended_total',
    type: 'counter',
    help: 'Runs ended, by reason: completed, superseded, expired, revoked or terminated.',
    labels: ['task', 'reason'],
    unit: '1',
  },
  clockSkew: {
    name: 'valetkey_sidecar_clock_skew_seconds',
    type: 'gauge',
    help: "How far the cloud's clock was ahead of the node's at the last exchange; past 30 either way runs are refused.",
    labels: [],
    unit: 'seconds',
  },
  packedPolicy: {
    name: 'valetkey_sidecar_packed_policy_percent',
    type: 'gauge',
    help: 'How much of the packed size that STS allows the last session policy of a task took; past 100 STS refuses.',
    labels: ['task'],
    unit: 'percent',
  },
} as const satisfies Readonly<Record<string, MetricSpec>>;
