import type { MetricSpec } from './metric.ts';
import { Counter, Gauge, Registry } from './prometheus.ts';
import { configOf, openHistogram } from './registered.ts';
import { SPECS } from './webhook-metric-specs.ts';

/** Every metric of the webhook, as its documentation lists them. */
export const WEBHOOK_METRICS: readonly MetricSpec[] = Object.values(SPECS);

export type AdmissionOperation = 'mutate' | 'validate' | 'validate-policy';
export type AdmissionResult = 'patched' | 'allowed' | 'denied' | 'errored' | 'malformed';

export type WebhookMetrics = {
  /** @param answer.reason of a small, known set */
  readonly admissionAnswered: (answer: {
    readonly operation: AdmissionOperation;
    readonly outcome: AdmissionResult;
    readonly reason: string;
    readonly seconds: number;
  }) => void;
  /** @param notAfter milliseconds since the epoch */
  readonly certificate: (state: { readonly notAfter: number; readonly isLive: boolean }) => void;
  readonly certificateRoundFailed: () => void;
  readonly profilesKnown: (count: number) => void;
  /** The text that Prometheus scrapes, and its content type. */
  readonly render: () => Promise<string>;
  readonly contentType: string;
};

/** Time since the last word of a watch; nothing where there is none, or none yet. */
type AgeSeconds = () => number | undefined;

/** The webhook's metrics, in a registry of their own. */
export const openWebhookMetrics = (ages: {
  readonly profiles: AgeSeconds;
  readonly policies: AgeSeconds;
}): WebhookMetrics => {
  const registry = new Registry();
  const admissions = new Counter(configOf(SPECS.admissions, registry));
  const seconds = openHistogram(SPECS.admissionSeconds, registry);
  const notAfter = new Gauge(configOf(SPECS.certificateNotAfter, registry));
  const bundleMatch = new Gauge(configOf(SPECS.bundleMatch, registry));
  const failures = new Counter(configOf(SPECS.certificateFailures, registry));
  const profiles = new Gauge(configOf(SPECS.profiles, registry));
  collectAge(SPECS.profilesAge, registry, ages.profiles);
  collectAge(SPECS.policiesAge, registry, ages.policies);
  return {
    admissionAnswered: ({ operation, outcome, reason, seconds: took }) => {
      admissions.inc({ operation, outcome, reason });
      seconds.observe({ operation }, took);
    },
    certificate: (state) => {
      notAfter.set(state.notAfter / 1000);
      bundleMatch.set(state.isLive ? 1 : 0);
    },
    certificateRoundFailed: () => failures.inc(),
    profilesKnown: (count) => profiles.set(count),
    render: () => registry.metrics(),
    contentType: registry.contentType,
  };
};

/** Asked at each scrape; without a word of the watch yet there is no sample. */
const collectAge = (spec: MetricSpec, registry: Registry, ageSeconds: AgeSeconds): void => {
  const gauge: Gauge = new Gauge({
    ...configOf(spec, registry),
    collect: () => {
      const age = ageSeconds();
      if (age === undefined) gauge.remove();
      else gauge.set(age);
    },
  });
};
