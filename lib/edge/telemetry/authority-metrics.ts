import { APPROVAL_STATES, type ApprovalState } from '../../contract/approvals.ts';
import { createSingleFlight } from '../../async/single-flight.ts';
import type { SecretErrorCode } from '../../upstreams/secret-fetcher.ts';
import type { SecretSource } from '../../upstreams/upstream.ts';
import type { AuditErrorCode } from '../../audit/audit-event.ts';
import { AUTHORITY_METRIC_SPECS as SPECS } from './authority-metric-specs.ts';
import {
  createExemplarHistogram,
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
import type { ExemplarDeps } from './exemplar.ts';
import { createRegistry, renderMetrics } from './exposition.ts';
import type { MetricSpec } from './metric-spec.ts';
import type { MetricsFormat } from './metrics-format.ts';
import { PROCESS_METRICS, registerProcessMetrics } from './process-metrics.ts';
import { Counter, Gauge } from './prometheus.ts';

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
  ExemplarDeps & {
    /** Issuers of `authority.signals.transmitters`. */
    readonly transmitters: readonly string[];
    /** @returns nothing if there is no audit volume, or if it cannot be read */
    readonly readAuditVolume: () => Promise<
      { readonly sizeBytes: number; readonly freeBytes: number } | undefined
    >;
  };

export type PolicyEnd = { readonly policy: string; readonly endsAt: number };

export type CheckedUpstream = {
  readonly name: string;
  readonly isReady: boolean;
  /** Of a Kubernetes Secret with a largest age; `changedAtMs` is absent if it could not be read. */
  readonly age?: { readonly maxAgeSeconds: number; readonly changedAtMs?: number | undefined };
};

export type AuthorityMetrics = {
  /** @param answer.reason a code of the refusal table; absent: not refused */
  readonly requestAnswered: (answer: {
    readonly route: AuthorityRoute;
    readonly reason: string | undefined;
    readonly status: number;
    readonly seconds: number;
    /** That was started, or that the request is about, once it is verified. */
    readonly run: string | undefined;
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
  readonly secretFetched: (
    source: SecretSource['kind'],
    outcome: SecretErrorCode | 'fetched' | 'internal_error',
  ) => void;
  readonly secretRevoked: (outcome: (typeof REVOCATION_OUTCOMES)[number]) => void;
  /** @param upstreams all of them */
  readonly upstreamsChecked: (upstreams: readonly CheckedUpstream[]) => void;
  /** A call that a gate asked about. */
  readonly gatedCall: (call: {
    readonly outcome: GatedCallOutcome;
    readonly seconds: number;
    readonly run: string | undefined;
  }) => void;
  readonly proposalCounted: (outcome: (typeof PROPOSAL_OUTCOMES)[number]) => void;
  readonly delegationCounted: (outcome: (typeof DELEGATION_OUTCOMES)[number]) => void;
  readonly approvalCounted: (
    outcome: (typeof APPROVAL_OUTCOMES)[number] | 'requested' | 'emergency',
  ) => void;
  /** @param found states of all ApprovalRequests, and the number of emergencies without a review */
  readonly approvalsListed: (found: {
    readonly states: readonly ApprovalState[];
    readonly unreviewed: number;
  }) => void;
  readonly emergencyReviewed: () => void;
  readonly approvalDecided: (decided: {
    readonly waitSeconds: number;
    readonly run: string | undefined;
  }) => void;
  readonly approvalNotified: (outcome: (typeof NOTICE_OUTCOMES)[number]) => void;
  readonly canaryTouched: (kind: 'task' | 'resource') => void;
  /** @param transmitter its issuer if it is listed */
  readonly signalAnswered: (
    transmitter: string | undefined,
    outcome: (typeof SIGNAL_OUTCOMES)[number],
  ) => void;
  readonly auditFileExported: (outcome: (typeof EXPORT_OUTCOMES)[number]) => void;
  /** @param counts undefined: there is no such Upstream any more */
  readonly databaseRolesCounted: (
    upstream: string,
    counts: { readonly active: number; readonly overdue: number } | undefined,
  ) => void;
  /** What Prometheus scrapes; text by default. */
  readonly render: (format?: MetricsFormat) => Promise<string>;
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

/** `unavailable`: nothing was decided. */
const GATED_CALL_OUTCOMES = ['allowed', 'denied', 'unavailable'] as const;
export type GatedCallOutcome = (typeof GATED_CALL_OUTCOMES)[number];

const EXPORT_OUTCOMES = ['uploaded', 'present', 'different', 'failed'] as const;

const DATABASE_ROLE_STATES = ['active', 'overdue'] as const;
const REVOCATION_OUTCOMES = ['revoked', 'failed'] as const;
const PROPOSAL_OUTCOMES = ['created', 'exists', 'refused'] as const;
const DELEGATION_OUTCOMES = ['minted', 'used', 'refused'] as const;
const APPROVAL_OUTCOMES = [
  'used',
  'repeated',
  'denied',
  'expired',
  'policy_changed',
  'separation',
] as const;
export const SIGNAL_OUTCOMES = [
  'revoked',
  'ignored',
  'replayed',
  'refused',
  'limited',
  'unavailable',
] as const;
const NOTICE_OUTCOMES = ['delivered', 'failed'] as const;

const OUTCOMES = ['done', 'refused', 'unavailable'] as const;

/** Creates the authority's metrics in their own registry. */
export const createAuthorityMetrics = (deps: AuthorityMetricsDeps): AuthorityMetrics => {
  const registry = createRegistry();
  const counter = (spec: MetricSpec) => new Counter(toMetricConfig(spec, registry));
  const gauge = (spec: MetricSpec) => new Gauge(toMetricConfig(spec, registry));
  const requests = counter(SPECS.requests);
  const observeRequest = createExemplarHistogram(
    SPECS.requestSeconds,
    registry,
    OUTCOMES.map((outcome) => ({ route: 'token', outcome })),
  );
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
  const databaseRoles = gauge(SPECS.databaseRoles);
  const databases = new Set<string>();
  const secretsFetched = counter(SPECS.secretsFetched);
  const secretsRevoked = counter(SPECS.secretsRevoked);
  const upstreams = gauge(SPECS.upstreams);
  const secretChanged = gauge(SPECS.secretChanged);
  const secretMaxAge = gauge(SPECS.secretMaxAge);
  const proposals = counter(SPECS.proposals);
  for (const outcome of PROPOSAL_OUTCOMES) proposals.inc({ outcome }, 0);
  const delegations = counter(SPECS.delegations);
  for (const outcome of DELEGATION_OUTCOMES) delegations.inc({ outcome }, 0);
  const approvals = gauge(SPECS.approvals);
  const approvalRequests = counter(SPECS.approvalRequests);
  const observeApproval = createExemplarHistogram(SPECS.approvalWait, registry);
  const approvalsUsed = counter(SPECS.approvalsUsed);
  const emergencies = counter(SPECS.emergencies);
  const emergenciesUnreviewed = gauge(SPECS.emergenciesUnreviewed);
  for (const outcome of ['used', 'reviewed']) emergencies.inc({ outcome }, 0);
  const approvalNotices = counter(SPECS.approvalNotices);
  for (const outcome of APPROVAL_OUTCOMES) approvalsUsed.inc({ outcome }, 0);
  for (const outcome of NOTICE_OUTCOMES) approvalNotices.inc({ outcome }, 0);
  for (const route of ['token', 'calls']) {
    requests.inc({ route, reason: 'approvals_unavailable' }, 0);
  }
  const canaries = counter(SPECS.canariesTouched);
  for (const kind of ['task', 'resource']) canaries.inc({ kind }, 0);
  const signals = counter(SPECS.signals);
  for (const transmitter of deps.transmitters) {
    for (const outcome of SIGNAL_OUTCOMES) signals.inc({ transmitter, outcome }, 0);
  }
  const exports = counter(SPECS.auditExports);
  for (const outcome of REVOCATION_OUTCOMES) secretsRevoked.inc({ outcome }, 0);
  const gatedCalls = counter(SPECS.gatedCalls);
  const observeGatedCall = createExemplarHistogram(SPECS.gatedCallSeconds, registry);
  for (const outcome of GATED_CALL_OUTCOMES) gatedCalls.inc({ outcome }, 0);
  for (const outcome of EXPORT_OUTCOMES) exports.inc({ outcome }, 0);
  for (const code of AUDIT_WRITE_ERROR_CODES) writeErrors.inc({ code }, 0);
  for (const reason of REJECTED_GRANT_REASONS) requests.inc({ route: 'token', reason }, 0);
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
    requestAnswered: ({ route, reason, status, seconds, run }) => {
      requests.inc({ route, reason: reason ?? 'none' });
      observeRequest({ route, outcome: toOutcome(status) }, seconds, { ...deps.readIds(), run });
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
    secretFetched: (source, outcome) => secretsFetched.inc({ source, outcome }),
    secretRevoked: (outcome) => secretsRevoked.inc({ outcome }),
    upstreamsChecked: (all) => {
      const ready = all.filter(({ isReady }) => isReady).length;
      upstreams.set({ state: 'ready' }, ready);
      upstreams.set({ state: 'not_ready' }, all.length - ready);
      secretChanged.reset();
      secretMaxAge.reset();
      for (const { name: upstream, age } of all.slice(0, MAX_UPSTREAM_SERIES)) {
        if (age === undefined) continue;
        secretMaxAge.set({ upstream }, age.maxAgeSeconds);
        if (age.changedAtMs !== undefined) secretChanged.set({ upstream }, age.changedAtMs / 1000);
      }
    },
    gatedCall: ({ outcome, seconds, run }) => {
      gatedCalls.inc({ outcome });
      observeGatedCall({}, seconds, { ...deps.readIds(), run });
    },
    proposalCounted: (outcome) => proposals.inc({ outcome }),
    delegationCounted: (outcome) => delegations.inc({ outcome }),
    approvalCounted: (outcome) => {
      if (outcome === 'requested') approvalRequests.inc();
      else if (outcome === 'emergency') emergencies.inc({ outcome: 'used' });
      else approvalsUsed.inc({ outcome });
    },
    approvalsListed: ({ states, unreviewed }) => {
      emergenciesUnreviewed.set(unreviewed);
      for (const state of APPROVAL_STATES) {
        approvals.set({ state }, states.filter((each) => each === state).length);
      }
    },
    emergencyReviewed: () => emergencies.inc({ outcome: 'reviewed' }),
    approvalDecided: ({ waitSeconds, run }) =>
      observeApproval({}, waitSeconds, { ...deps.readIds(), run }),
    approvalNotified: (outcome) => approvalNotices.inc({ outcome }),
    canaryTouched: (kind) => canaries.inc({ kind }),
    signalAnswered: (transmitter = 'unknown', outcome) => signals.inc({ transmitter, outcome }),
    auditFileExported: (outcome) => exports.inc({ outcome }),
    databaseRolesCounted: (upstream, counts) => {
      if (counts === undefined) databases.delete(upstream);
      else if (databases.size < MAX_DATABASE_SERIES) databases.add(upstream);
      if (counts !== undefined && !databases.has(upstream)) return;
      for (const state of DATABASE_ROLE_STATES) {
        if (counts === undefined) databaseRoles.remove({ upstream, state });
        else databaseRoles.set({ upstream, state }, counts[state]);
      }
    },
    render: (format = 'text') => renderMetrics(registry, format),
  };
};

/** A cluster has some tens. */
const MAX_UPSTREAM_SERIES = 256;

/** TaskPolicies can contain a thousand. */
const MAX_POLICY_SERIES = 64;
/** Upstreams are objects that admins write. */
const MAX_DATABASE_SERIES = 32;

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
