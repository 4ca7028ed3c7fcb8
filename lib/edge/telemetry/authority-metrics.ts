import { SPECS } from './authority-metric-specs.ts';
import type { MetricSpec } from './metric.ts';
import { Counter, Gauge, Registry } from './prometheus.ts';
import { configOf, openHistogram } from './registered.ts';

/** Every metric of the authority, as its documentation lists them. */
export const AUTHORITY_METRICS: readonly MetricSpec[] = Object.values(SPECS);

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
  readonly certificate: (state: { readonly notAfter: number; readonly isLive: boolean }) => void;
  readonly rootsLacking: (count: number) => void;
  readonly roundFailed: (what: 'certificate' | 'keys' | 'other') => void;
  readonly keyConcerns: (concerns: readonly string[]) => void;
  readonly policiesKnown: (counts: { readonly total: number; readonly invalid: number }) => void;
  readonly revocationsKnown: (count: number) => void;
  readonly streamsOpen: (count: number) => void;
  readonly denied: (lagSeconds: number) => void;
  readonly recordsWritten: (batch: { readonly lines: number; readonly seconds: number }) => void;
  readonly recordsFailed: (code: string) => void;
  /** The text that Prometheus scrapes, and its content type. */
  readonly render: () => Promise<string>;
  readonly contentType: string;
};

/**
 * The authority's metrics, in a registry of their own.
 *
 * @param ages time since the last word of each watch; nothing before the first
 */
export const openAuthorityMetrics = (
  ages: Readonly<Record<Watch, () => number | undefined>>,
): AuthorityMetrics => {
  const registry = new Registry();
  const counter = (spec: MetricSpec) => new Counter(configOf(spec, registry));
  const gauge = (spec: MetricSpec) => new Gauge(configOf(spec, registry));
  const requests = counter(SPECS.requests);
  const requestSeconds = openHistogram(SPECS.requestSeconds, registry);
  const skew = gauge(SPECS.clockSkew);
  const notAfter = gauge(SPECS.certificateNotAfter);
  const trusted = gauge(SPECS.certificateLive);
  const lacking = gauge(SPECS.rootsLacking);
  const failures = counter(SPECS.roundFailures);
  const concerns = gauge(SPECS.keyConcerns);
  const policies = gauge(SPECS.policies);
  const revocations = gauge(SPECS.revocations);
  const streams = gauge(SPECS.streams);
  const lag = openHistogram(SPECS.denialLag, registry);
  const records = counter(SPECS.records);
  const recordSeconds = openHistogram(SPECS.recordSeconds, registry);
  const recordFailures = counter(SPECS.recordFailures);
  collectAges(registry, ages);
  return {
    requestAnswered: ({ route, reason, status, seconds }) => {
      requests.inc({ route, reason: reason ?? 'none' });
      requestSeconds.observe({ route, outcome: outcomeOf(status) }, seconds);
    },
    clockSkew: (milliseconds) => skew.set(milliseconds / 1000),
    certificate: (state) => {
      notAfter.set(state.notAfter / 1000);
      trusted.set(state.isLive ? 1 : 0);
    },
    rootsLacking: (count) => lacking.set(count),
    roundFailed: (what) => failures.inc({ what }),
    keyConcerns: (standing) => {
      concerns.reset();
      for (const concern of standing) concerns.set({ concern }, 1);
    },
    policiesKnown: ({ total, invalid }) => {
      policies.set({ state: 'valid' }, total - invalid);
      policies.set({ state: 'invalid' }, invalid);
    },
    revocationsKnown: (count) => revocations.set(count),
    streamsOpen: (count) => streams.set(count),
    denied: (lagSeconds) => lag.observe(lagSeconds),
    recordsWritten: ({ lines, seconds }) => {
      records.inc(lines);
      recordSeconds.observe(seconds);
    },
    recordsFailed: (code) => recordFailures.inc({ code }),
    render: () => registry.metrics(),
    contentType: registry.contentType,
  };
};

const outcomeOf = (status: number): string => {
  if (status < 400) return 'done';
  return status >= 500 || status === 429 ? 'unavailable' : 'refused';
};

/** Asked at each scrape; without a word of the watch yet there is no sample. */
const collectAges = (
  registry: Registry,
  ages: Readonly<Record<Watch, () => number | undefined>>,
): void => {
  const gauge: Gauge = new Gauge({
    ...configOf(SPECS.watchAge, registry),
    collect: () => {
      gauge.reset();
      for (const [watch, ageSeconds] of Object.entries(ages)) {
        const age = ageSeconds();
        if (age !== undefined) gauge.set({ watch }, age);
      }
    },
  });
};
