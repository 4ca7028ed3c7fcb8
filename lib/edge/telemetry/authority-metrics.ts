import { createSingleFlight } from '../../async/single-flight.ts';
import type { AuditErrorCode } from '../../audit/audit-event.ts';
import { AUTHORITY_METRIC_SPECS as SPECS } from './authority-metric-specs.ts';
import {
  createHistogram,
  readLastSyncs,
  registerBuildInfo,
  registerCapacity,
  registerCollectedGauge,
  toMetricConfig,
  type LastSyncDeps,
  type Sample,
  type MeasureCapacity,
} from './metric-registration.ts';
import type { MetricSpec } from './metric-spec.ts';
import { PROCESS_METRICS, registerProcessMetrics } from './process-metrics.ts';
import { Counter, Gauge, Registry } from './prometheus.ts';

/** Every metric of the authority, in the order of its documentation. */
export const AUTHORITY_METRICS: readonly MetricSpec[] = [
  ...Object.values(SPECS),
  ...PROCESS_METRICS,
];

export type AuthorityRoute = 'token' | 'revoke' | 'records' | 'events' | 'other';
export type AuthorityController = 'certificate' | 'signing-keys' | 'audit-export' | 'other';

/** Read at each scrape. */
export type AuthorityMetricsDeps = LastSyncDeps<
  'taskpolicies' | 'revocations' | 'injection-templates'
> & {
  /** @returns nothing if there is no audit volume, or if it cannot be read */
  readonly readAuditVolume: () => Promise<
    { readonly sizeBytes: number; readonly freeBytes: number } | undefined
  >;
};

export type PolicyEnd = { readonly policy: string; readonly endsAt: number };

export type AuthorityMetrics = {
  /** @param answer.reason a code of the refusal table; absent: not refused */
  readonly requestAnswered: (answer: {
    readonly route: AuthorityRoute;
    readonly reason: string | undefined;
    readonly status: number;
    readonly seconds: number;
  }) => void;
  readonly clockSkew: (milliseconds: number) => void;
  /** @param notAfter milliseconds since the epoch */
  readonly certificate: (state: { readonly notAfter: number; readonly isTrusted: boolean }) => void;
  readonly trustBundlesMissingNextCa: (count: number) => void;
  readonly reconcileFailed: (controller: AuthorityController) => void;
  /** @param problems all current ones */
  readonly signingKeyProblems: (problems: readonly string[]) => void;
  readonly taskPoliciesCounted: (counts: {
    readonly total: number;
    readonly invalid: number;
  }) => void;
  /** @param exceptions all permits with an end, by policy ID, in milliseconds since the epoch */
  readonly policyExceptions: (exceptions: readonly PolicyEnd[]) => void;
  readonly revocationsCounted: (count: number) => void;
  readonly eventStreamsCounted: (count: number) => void;
  readonly measureCapacity: MeasureCapacity<
    'connections' | 'event_streams' | 'token_verifications' | 'audit_queue'
  >;
  readonly denyListUpdated: (durationSeconds: number) => void;
  readonly auditRecordsWritten: (batch: {
    readonly lines: number;
    readonly seconds: number;
  }) => void;
  readonly auditWriteFailed: (code: AuditErrorCode) => void;
  /** A record of calls that a sidecar reported was written. */
  readonly callsRecorded: () => void;
  readonly auditFileExported: (outcome: (typeof EXPORT_OUTCOMES)[number]) => void;
  /** The text that Prometheus scrapes, and its content type. */
  readonly render: () => Promise<string>;
  readonly contentType: string;
};

// What alerts count starts at 0, so that `increase()` and `rate()` see the first one.

/** Failures that stop issuance. */
const AUDIT_WRITE_ERROR_CODES: readonly AuditErrorCode[] = [
  'disk_full',
  'disk_failed',
  'sink_failed',
  'other_writer',
  'head_unpublished',
];

/** Refusals of the cloud that concern the grants of the authority, not one role. */
const REJECTED_GRANT_REASONS = [
  'InvalidIdentityToken',
  'IDPRejectedClaim',
  'ExpiredToken',
  'RegionDisabled',
  'clock_skew',
  'cloud_refused',
];

const EXPORT_OUTCOMES = ['uploaded', 'present', 'different', 'failed'] as const;

const OUTCOMES = ['done', 'refused', 'unavailable'] as const;

/** Creates the authority's metrics in their own registry. */
export const createAuthorityMetrics = (deps: AuthorityMetricsDeps): AuthorityMetrics => {
  const registry = new Registry();
  const counter = (spec: MetricSpec) => new Counter(toMetricConfig(spec, registry));
  const gauge = (spec: MetricSpec) => new Gauge(toMetricConfig(spec, registry));
  const requests = counter(SPECS.requests);
  const requestSeconds = createHistogram(SPECS.requestSeconds, registry);
  const skew = gauge(SPECS.clockSkew);
  const trusted = gauge(SPECS.certificateTrusted);
  const missingNextCa = gauge(SPECS.trustBundlesMissingNextCa);
  const reconcileErrors = counter(SPECS.reconcileErrors);
  const keyProblems = gauge(SPECS.signingKeyProblems);
  const policies = gauge(SPECS.taskPolicies);
  const revocations = gauge(SPECS.revocations);
  const streams = gauge(SPECS.eventStreams);
  const denyListUpdates = createHistogram(SPECS.denyListUpdateSeconds, registry);
  const records = counter(SPECS.auditRecords);
  const writeSeconds = createHistogram(SPECS.auditWriteSeconds, registry);
  const writeErrors = counter(SPECS.auditWriteErrors);
  const callRecords = counter(SPECS.callRecords);
  const exports = counter(SPECS.auditExports);
  for (const outcome of EXPORT_OUTCOMES) exports.inc({ outcome }, 0);
  for (const code of AUDIT_WRITE_ERROR_CODES) writeErrors.inc({ code }, 0);
  for (const reason of REJECTED_GRANT_REASONS) requests.inc({ route: 'token', reason }, 0);
  for (const outcome of OUTCOMES) requestSeconds.zero({ route: 'token', outcome });
  let notAfter: number | undefined;
  let ends: readonly PolicyEnd[] = [];
  registerBuildInfo(registry);
  registerProcessMetrics(registry);
  registerCollectedGauge(SPECS.certificateExpiration, registry, () =>
    notAfter === undefined ? [] : [{ value: notAfter / 1000 }],
  );
  registerCollectedGauge(SPECS.policyUntil, registry, () => toUntilSamples(ends, deps.now()));
  registerCollectedGauge(SPECS.watchLastSync, registry, () => readLastSyncs(deps));
  // Once for a scrape, so that both values are of the same moment.
  const readAuditVolume = createSingleFlight(deps.readAuditVolume);
  registerCollectedGauge(SPECS.auditVolumeFree, registry, async () => {
    const space = await readAuditVolume();
    return space === undefined ? [] : [{ value: space.freeBytes }];
  });
  registerCollectedGauge(SPECS.auditVolumeSize, registry, async () => {
    const space = await readAuditVolume();
    return space === undefined ? [] : [{ value: space.sizeBytes }];
  });
  return {
    requestAnswered: ({ route, reason, status, seconds }) => {
      requests.inc({ route, reason: reason ?? 'none' });
      requestSeconds.observe({ route, outcome: toOutcome(status) }, seconds);
    },
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
    taskPoliciesCounted: ({ total, invalid }) => {
      policies.set({ state: 'valid' }, total - invalid);
      policies.set({ state: 'invalid' }, invalid);
    },
    policyExceptions: (exceptions) => {
      ends = exceptions;
    },
    revocationsCounted: (count) => revocations.set(count),
    eventStreamsCounted: (count) => streams.set(count),
    measureCapacity: registerCapacity(
      { used: SPECS.capacityUsed, max: SPECS.capacityMax },
      registry,
    ),
    denyListUpdated: (durationSeconds) => denyListUpdates.observe(durationSeconds),
    auditRecordsWritten: ({ lines, seconds }) => {
      records.inc(lines);
      writeSeconds.observe(seconds);
    },
    auditWriteFailed: (code) => writeErrors.inc({ code }),
    callsRecorded: () => callRecords.inc(),
    auditFileExported: (outcome) => exports.inc({ outcome }),
    render: () => registry.metrics(),
    contentType: registry.contentType,
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
