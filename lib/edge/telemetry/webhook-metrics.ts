import type { MetricSpec } from './metric-spec.ts';
import { Counter, Gauge, Registry } from './prometheus.ts';
import { toMetricConfig, createHistogram } from './metric-registration.ts';
import { WEBHOOK_METRIC_SPECS } from './webhook-metric-specs.ts';

/** Every metric of the webhook, as its documentation lists them. */
export const WEBHOOK_METRICS: readonly MetricSpec[] = Object.values(WEBHOOK_METRIC_SPECS);

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
  readonly certificate: (state: { readonly notAfter: number; readonly isTrusted: boolean }) => void;
  readonly reconcileFailed: () => void;
  readonly injectionTemplatesCounted: (count: number) => void;
  /** The text that Prometheus scrapes, and its content type. */
  readonly render: () => Promise<string>;
  readonly contentType: string;
};

/** Time since the last word of a watch; nothing where there is none, or none yet. */
type AgeSeconds = () => number | undefined;

/** The webhook's metrics, in a registry of their own. */
export const createWebhookMetrics = (ages: {
  readonly profiles: AgeSeconds;
  readonly policies: AgeSeconds;
}): WebhookMetrics => {
  const registry = new Registry();
  const admissions = new Counter(toMetricConfig(WEBHOOK_METRIC_SPECS.admissions, registry));
  const seconds = createHistogram(WEBHOOK_METRIC_SPECS.admissionSeconds, registry);
  const notAfter = new Gauge(toMetricConfig(WEBHOOK_METRIC_SPECS.certificateNotAfter, registry));
  const bundleMatch = new Gauge(toMetricConfig(WEBHOOK_METRIC_SPECS.caBundleTrusted, registry));
  const failures = new Counter(toMetricConfig(WEBHOOK_METRIC_SPECS.reconcileErrors, registry));
  const profiles = new Gauge(toMetricConfig(WEBHOOK_METRIC_SPECS.injectionTemplates, registry));
  collectAge(WEBHOOK_METRIC_SPECS.injectionTemplatesAge, registry, ages.profiles);
  collectAge(WEBHOOK_METRIC_SPECS.policiesAge, registry, ages.policies);
  return {
    admissionAnswered: ({ operation, outcome, reason, seconds: took }) => {
      admissions.inc({ operation, outcome, reason });
      seconds.observe({ operation }, took);
    },
    certificate: (state) => {
      notAfter.set(state.notAfter / 1000);
      bundleMatch.set(state.isTrusted ? 1 : 0);
    },
    reconcileFailed: () => failures.inc(),
    injectionTemplatesCounted: (count) => profiles.set(count),
    render: () => registry.metrics(),
    contentType: registry.contentType,
  };
};

/** Asked at each scrape; without a word of the watch yet there is no sample. */
const collectAge = (spec: MetricSpec, registry: Registry, ageSeconds: AgeSeconds): void => {
  const gauge: Gauge = new Gauge({
    ...toMetricConfig(spec, registry),
    collect: () => {
      const age = ageSeconds();
      if (age === undefined) gauge.remove();
      else gauge.set(age);
    },
  });
};
