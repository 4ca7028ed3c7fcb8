import { AUTHORITY_METRIC_SPECS } from './authority-metric-specs.ts';
import type { MetricSpec } from './metric-spec.ts';
import { Counter, Gauge, Registry } from './prometheus.ts';
import { toMetricConfig, createHistogram } from './metric-registration.ts';

/** Every metric of the authority, as its documentation lists them. */
export const AUTHORITY_METRICS: readonly MetricSpec[] = Object.values(AUTHORITY_METRIC_SPECS);

export type AuthorityRoute = 'token' | 'revoke' | 'events' | 'other';
type Watch = 'policies' | 'revocations' | 'profiles';

export type AuthorityMetrics = {
  /** @param answer.reason of the table of refusals; nothing: it was done */
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
  readonly reconcileFailed: (what: 'certificate' | 'keys' | 'other') => void;
  readonly signingKeyProblems: (problems: readonly string[]) => void;
  readonly taskPoliciesCounted: (counts: {
    readonly total: number;
    readonly invalid: number;
  }) => void;
  readonly revocationsCounted: (count: number) => void;
  readonly eventStreamsCounted: (count: number) => void;
  readonly denyListUpdated: (lagSeconds: number) => void;
  readonly auditRecordsWritten: (batch: {
    readonly lines: number;
    readonly seconds: number;
  }) => void;
  readonly auditWriteFailed: (code: string) => void;
  /** The text that Prometheus scrapes, and its content type. */
  readonly render: () => Promise<string>;
  readonly contentType: string;
};

/**
 * The authority's metrics, in a registry of their own.
 *
 * @param ages time since the last word of each watch; nothing before the first
 */
export const createAuthorityMetrics = (
  ages: Readonly<Record<Watch, () => number | undefined>>,
): AuthorityMetrics => {
  const registry = new Registry();
  const counter = (spec: MetricSpec) => new Counter(toMetricConfig(spec, registry));
  const gauge = (spec: MetricSpec) => new Gauge(toMetricConfig(spec, registry));
  const requests = counter(AUTHORITY_METRIC_SPECS.requests);
  const requestSeconds = createHistogram(AUTHORITY_METRIC_SPECS.requestSeconds, registry);
  const skew = gauge(AUTHORITY_METRIC_SPECS.clockSkew);
  const notAfter = gauge(AUTHORITY_METRIC_SPECS.certificateNotAfter);
  const trusted = gauge(AUTHORITY_METRIC_SPECS.certificateTrusted);
  const missingNextCa = gauge(AUTHORITY_METRIC_SPECS.trustBundlesMissingNextCa);
  const failures = counter(AUTHORITY_METRIC_SPECS.reconcileErrors);
  const keyProblems = gauge(AUTHORITY_METRIC_SPECS.signingKeyProblems);
  const policies = gauge(AUTHORITY_METRIC_SPECS.taskPolicies);
  const revocations = gauge(AUTHORITY_METRIC_SPECS.revocations);
  const streams = gauge(AUTHORITY_METRIC_SPECS.eventStreams);
  const lag = createHistogram(AUTHORITY_METRIC_SPECS.denyListUpdateSeconds, registry);
  const records = counter(AUTHORITY_METRIC_SPECS.auditRecords);
  const recordSeconds = createHistogram(AUTHORITY_METRIC_SPECS.auditWriteSeconds, registry);
  const recordFailures = counter(AUTHORITY_METRIC_SPECS.auditWriteErrors);
  collectAges(registry, ages);
  return {
    requestAnswered: ({ route, reason, status, seconds }) => {
      requests.inc({ route, reason: reason ?? 'none' });
      requestSeconds.observe({ route, outcome: toOutcome(status) }, seconds);
    },
    clockSkew: (milliseconds) => skew.set(milliseconds / 1000),
    certificate: (state) => {
      notAfter.set(state.notAfter / 1000);
      trusted.set(state.isTrusted ? 1 : 0);
    },
    trustBundlesMissingNextCa: (count) => missingNextCa.set(count),
    reconcileFailed: (what) => failures.inc({ what }),
    signingKeyProblems: (problems) => {
      keyProblems.reset();
      for (const problem of problems) keyProblems.set({ problem }, 1);
    },
    taskPoliciesCounted: ({ total, invalid }) => {
      policies.set({ state: 'valid' }, total - invalid);
      policies.set({ state: 'invalid' }, invalid);
    },
    revocationsCounted: (count) => revocations.set(count),
    eventStreamsCounted: (count) => streams.set(count),
    denyListUpdated: (lagSeconds) => lag.observe(lagSeconds),
    auditRecordsWritten: ({ lines, seconds }) => {
      records.inc(lines);
      recordSeconds.observe(seconds);
    },
    auditWriteFailed: (code) => recordFailures.inc({ code }),
    render: () => registry.metrics(),
    contentType: registry.contentType,
  };
};

const toOutcome = (status: number): string => {
  if (status < 400) return 'done';
  return status >= 500 || status === 429 ? 'unavailable' : 'refused';
};

/** Asked at each scrape; without a word of the watch yet there is no sample. */
const collectAges = (
  registry: Registry,
  ages: Readonly<Record<Watch, () => number | undefined>>,
): void => {
  const gauge: Gauge = new Gauge({
    ...toMetricConfig(AUTHORITY_METRIC_SPECS.watchAge, registry),
    collect: () => {
      gauge.reset();
      for (const [watch, ageSeconds] of Object.entries(ages)) {
        const age = ageSeconds();
        if (age !== undefined) gauge.set({ watch }, age);
      }
    },
  });
};
