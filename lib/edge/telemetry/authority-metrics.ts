import { AUTHORITY_METRIC_SPECS as SPECS } from './authority-metric-specs.ts';
import { createApprovalMetrics, type ApprovalMetrics } from './authority-approval-metrics.ts';
import {
  createAuditMetrics,
  type AuditMetrics,
  type AuditMetricsDeps,
} from './authority-audit-metrics.ts';
import { createUpstreamMetrics, type UpstreamMetrics } from './authority-upstream-metrics.ts';
import {
  createCounter,
  createExemplarHistogram,
  createGauge,
  createHistogram,
  readLastSyncs,
  registerBuildInfo,
  registerCapacity,
  registerCollectedGauge,
  type LastSyncDeps,
  type Sample,
  type MeasureCapacity,
} from './metric-registration.ts';
import type { ExemplarDeps } from './exemplar.ts';
import { createRegistry, renderMetrics, type MetricRegistry } from './exposition.ts';
import type { MetricSpec } from './metric-spec.ts';
import type { MetricsFormat } from './metrics-format.ts';
import { PROCESS_METRICS, registerProcessMetrics } from './process-metrics.ts';

/** Every metric of the authority, in the order of its documentation. */
export const AUTHORITY_METRICS: readonly MetricSpec[] = [
  ...Object.values(SPECS),
  ...PROCESS_METRICS,
];

export const AUTHORITY_ROUTES = [
  'token',
  'revoke',
  'records',
  'decisions',
  'delegations',
  'proposals',
  'calls',
  'events',
  'signals',
  'other',
] as const;
export type AuthorityRoute = (typeof AUTHORITY_ROUTES)[number];

export const AUTHORITY_CONTROLLERS = [
  'certificate',
  'signing-keys',
  'audit-export',
  'database-roles',
  'other',
] as const;
export type AuthorityController = (typeof AUTHORITY_CONTROLLERS)[number];

/** Read at each scrape. */
export type AuthorityMetricsDeps = LastSyncDeps<
  'taskpolicies' | 'revocations' | 'upstreams' | 'injection-templates'
> &
  ExemplarDeps &
  AuditMetricsDeps & {
    /** Issuers of `authority.signals.transmitters`. */
    readonly transmitters: readonly string[];
  };

export type PolicyEnd = { readonly policy: string; readonly endsAt: number };

/** What was decided about requests, and by which policies and revocations. */
type RequestMetrics = {
  /** @param answer.reason a code of the refusal table; absent: not refused */
  readonly requestAnswered: (answer: {
    readonly route: AuthorityRoute;
    readonly reason: string | undefined;
    readonly status: number;
    readonly seconds: number;
    /** That was started, or that the request is about, once it is verified. */
    readonly run: string | undefined;
  }) => void;
  readonly canaryTouched: (kind: 'task' | 'resource') => void;
  /** @param transmitter its issuer if it is listed */
  readonly signalAnswered: (
    transmitter: string | undefined,
    outcome: (typeof SIGNAL_OUTCOMES)[number],
  ) => void;
};

/** The state of a replica. */
type ReplicaMetrics = {
  readonly clockSkew: (milliseconds: number) => void;
  /** @param notAfter milliseconds since the epoch */
  readonly certificate: (state: { readonly notAfter: number; readonly isTrusted: boolean }) => void;
  readonly trustBundlesMissingNextCa: (count: number) => void;
  readonly reconcileFailed: (controller: AuthorityController) => void;
  /** @param problems all current ones */
  readonly signingKeyProblems: (problems: readonly string[]) => void;
  readonly measureCapacity: MeasureCapacity<
    'connections' | 'event_streams' | 'token_verifications' | 'audit_queue'
  >;
};

/** The objects of the cluster that runs depend on. */
type ObjectMetrics = {
  readonly taskPoliciesCounted: (counts: {
    readonly total: number;
    readonly invalid: number;
  }) => void;
  /** @param exceptions all permits with an end, by policy ID, in milliseconds since the epoch */
  readonly policyExceptions: (exceptions: readonly PolicyEnd[]) => void;
  readonly revocationsCounted: (count: number) => void;
  readonly eventStreamsCounted: (count: number) => void;
  readonly denyListUpdated: (durationSeconds: number) => void;
};

export type AuthorityMetrics = RequestMetrics &
  ReplicaMetrics &
  ObjectMetrics &
  AuditMetrics &
  UpstreamMetrics &
  ApprovalMetrics & {
    /** What Prometheus scrapes; text by default. */
    readonly render: (format?: MetricsFormat) => Promise<string>;
  };

// What alerts count starts at 0, so that `increase()` and `rate()` see the first one.

/** Refusals of the cloud that concern the grants of the authority, not one role. */
const REJECTED_GRANT_REASONS = [
  'InvalidIdentityToken',
  'IDPRejectedClaim',
  'ExpiredToken',
  'RegionDisabled',
  'clock_skew',
  'cloud_refused',
];

export const SIGNAL_OUTCOMES = [
  'revoked',
  'ignored',
  'replayed',
  'refused',
  'limited',
  'unavailable',
] as const;

const OUTCOMES = ['done', 'refused', 'unavailable'] as const;

/** Creates the authority's metrics in their own registry. */
export const createAuthorityMetrics = (deps: AuthorityMetricsDeps): AuthorityMetrics => {
  const registry = createRegistry();
  registerBuildInfo(registry);
  registerProcessMetrics(registry);
  registerCollectedGauge(SPECS.watchLastSync, registry, () => readLastSyncs(deps));
  return {
    ...createRequestMetrics(registry, deps),
    ...createReplicaMetrics(registry),
    ...createObjectMetrics(registry, deps),
    ...createAuditMetrics(registry, deps),
    ...createUpstreamMetrics(registry),
    ...createApprovalMetrics(registry, deps),
    render: (format = 'text') => renderMetrics(registry, format),
  };
};

const createRequestMetrics = (
  registry: MetricRegistry,
  { transmitters, readIds }: AuthorityMetricsDeps,
): RequestMetrics => {
  const requests = createCounter(SPECS.requests, registry);
  const observeRequest = createExemplarHistogram(
    SPECS.requestSeconds,
    registry,
    OUTCOMES.map((outcome) => ({ route: 'token', outcome })),
  );
  for (const route of ['token', 'calls']) {
    requests.inc({ route, reason: 'approvals_unavailable' }, 0);
  }
  for (const reason of REJECTED_GRANT_REASONS) requests.inc({ route: 'token', reason }, 0);
  const canaries = createCounter(SPECS.canariesTouched, registry);
  for (const kind of ['task', 'resource']) canaries.inc({ kind }, 0);
  const signals = createCounter(SPECS.signals, registry);
  for (const transmitter of transmitters) {
    for (const outcome of SIGNAL_OUTCOMES) signals.inc({ transmitter, outcome }, 0);
  }
  return {
    requestAnswered: ({ route, reason, status, seconds, run }) => {
      requests.inc({ route, reason: reason ?? 'none' });
      observeRequest({ route, outcome: toOutcome(status) }, seconds, { ...readIds(), run });
    },
    canaryTouched: (kind) => canaries.inc({ kind }),
    signalAnswered: (transmitter = 'unknown', outcome) => signals.inc({ transmitter, outcome }),
  };
};

const createReplicaMetrics = (registry: MetricRegistry): ReplicaMetrics => {
  const skew = createGauge(SPECS.clockSkew, registry);
  const trusted = createGauge(SPECS.certificateTrusted, registry);
  const missingNextCa = createGauge(SPECS.trustBundlesMissingNextCa, registry);
  const reconcileErrors = createCounter(SPECS.reconcileErrors, registry);
  const keyProblems = createGauge(SPECS.signingKeyProblems, registry);
  let notAfter: number | undefined;
  registerCollectedGauge(SPECS.certificateExpiration, registry, () =>
    notAfter === undefined ? [] : [{ value: notAfter / 1000 }],
  );
  return {
    clockSkew: (milliseconds) => skew.set(milliseconds / 1000),
    certificate: (state) => {
      notAfter = state.notAfter;
      trusted.set(state.isTrusted ? 1 : 0);
    },
    trustBundlesMissingNextCa: (count) => missingNextCa.set(count),
    reconcileFailed: (controller) => reconcileErrors.inc({ controller }),
    signingKeyProblems: (problems) => {
      keyProblems.reset();
      for (const problem of problems) keyProblems.set({ problem }, 1);
    },
    measureCapacity: registerCapacity(
      { used: SPECS.capacityUsed, max: SPECS.capacityMax },
      registry,
    ),
  };
};

const createObjectMetrics = (
  registry: MetricRegistry,
  { now }: AuthorityMetricsDeps,
): ObjectMetrics => {
  const policies = createGauge(SPECS.taskPolicies, registry);
  const revocations = createGauge(SPECS.revocations, registry);
  const streams = createGauge(SPECS.eventStreams, registry);
  const denyListUpdates = createHistogram(SPECS.denyListUpdateSeconds, registry);
  let ends: readonly PolicyEnd[] = [];
  registerCollectedGauge(SPECS.policyUntil, registry, () => toUntilSamples(ends, now()));
  return {
    taskPoliciesCounted: ({ total, invalid }) => {
      policies.set({ state: 'valid' }, total - invalid);
      policies.set({ state: 'invalid' }, invalid);
    },
    policyExceptions: (exceptions) => {
      ends = exceptions;
    },
    revocationsCounted: (count) => revocations.set(count),
    eventStreamsCounted: (count) => streams.set(count),
    denyListUpdated: (durationSeconds) => denyListUpdates.observe(durationSeconds),
  };
};

/** TaskPolicies can contain a thousand. */
const MAX_POLICY_SERIES = 64;

/** What has ended is left out, so that it takes the place of no other and its alert ends. */
const toUntilSamples = (ends: readonly PolicyEnd[], now: number): readonly Sample[] =>
  ends
    .filter(({ endsAt }) => endsAt > now)
    .sort((one, other) => one.endsAt - other.endsAt)
    .slice(0, MAX_POLICY_SERIES)
    .map(({ policy, endsAt }) => ({ labels: { policy }, value: endsAt / 1000 }));

const toOutcome = (status: number): (typeof OUTCOMES)[number] => {
  if (status < 400) return 'done';
  return status >= 500 || status === 429 ? 'unavailable' : 'refused';
};
