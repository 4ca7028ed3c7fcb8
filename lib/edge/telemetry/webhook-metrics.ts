import {
  createCounter,
  createExemplarHistogram,
  createGauge,
  readLastSyncs,
  registerBuildInfo,
  registerCapacity,
  registerCollectedGauge,
  type LastSyncDeps,
  type MeasureCapacity,
} from './metric-registration.ts';
import type { ExemplarDeps } from './exemplar.ts';
import { createRegistry, renderMetrics } from './exposition.ts';
import type { MetricSpec } from './metric-spec.ts';
import type { MetricsFormat } from './metrics-format.ts';
import { PROCESS_METRICS, registerProcessMetrics } from './process-metrics.ts';
import { WEBHOOK_METRIC_SPECS as SPECS } from './webhook-metric-specs.ts';

/** Every metric of the webhook, in the order of its documentation. */
export const WEBHOOK_METRICS: readonly MetricSpec[] = [...Object.values(SPECS), ...PROCESS_METRICS];

const ADMISSION_OPERATIONS = ['mutate', 'validate', 'validate-policy', 'warn-workload'] as const;
export type AdmissionOperation = (typeof ADMISSION_OPERATIONS)[number];
export type AdmissionResult = 'patched' | 'allowed' | 'denied' | 'errored' | 'malformed';

export type WebhookMetrics = {
  /** @param answer.reason one of a small, fixed set */
  readonly admissionAnswered: (answer: {
    readonly operation: AdmissionOperation;
    readonly outcome: AdmissionResult;
    readonly reason: string;
    readonly seconds: number;
  }) => void;
  /** @param notAfter milliseconds since the epoch */
  readonly certificate: (state: { readonly notAfter: number; readonly isTrusted: boolean }) => void;
  readonly reconcileFailed: (controller: 'certificate') => void;
  readonly measureCapacity: MeasureCapacity<'connections'>;
  readonly policyTasksQueued: (count: number) => void;
  readonly injectionTemplatesCounted: (count: number) => void;
  /** What Prometheus scrapes; text by default. */
  readonly render: (format?: MetricsFormat) => Promise<string>;
};

/** Creates the webhook's metrics in their own registry. */
export const createWebhookMetrics = (
  deps: LastSyncDeps<'injection-templates' | 'taskpolicies'> & ExemplarDeps,
): WebhookMetrics => {
  const registry = createRegistry();
  const admissions = createCounter(SPECS.admissions, registry);
  const observeAdmission = createExemplarHistogram(SPECS.admissionSeconds, registry);
  const caBundleTrusted = createGauge(SPECS.caBundleTrusted, registry);
  const reconcileErrors = createCounter(SPECS.reconcileErrors, registry);
  const templates = createGauge(SPECS.injectionTemplates, registry);
  // They start at 0, so that an alert sees the first error.
  reconcileErrors.inc({ controller: 'certificate' }, 0);
  for (const operation of ADMISSION_OPERATIONS) {
    admissions.inc({ operation, outcome: 'errored', reason: 'none' }, 0);
  }
  let notAfter: number | undefined;
  let policyQueueLength: number | undefined;
  registerBuildInfo(registry);
  registerProcessMetrics(registry);
  registerCollectedGauge(SPECS.policyQueueLength, registry, () =>
    policyQueueLength === undefined ? [] : [{ value: policyQueueLength }],
  );
  registerCollectedGauge(SPECS.certificateExpiration, registry, () =>
    notAfter === undefined ? [] : [{ value: notAfter / 1000 }],
  );
  registerCollectedGauge(SPECS.watchLastSync, registry, () => readLastSyncs(deps));
  return {
    admissionAnswered: ({ operation, outcome, reason, seconds }) => {
      admissions.inc({ operation, outcome, reason });
      observeAdmission({ operation }, seconds, deps.readIds());
    },
    certificate: (state) => {
      notAfter = state.notAfter;
      caBundleTrusted.set(state.isTrusted ? 1 : 0);
    },
    reconcileFailed: (controller) => reconcileErrors.inc({ controller }),
    measureCapacity: registerCapacity(
      { used: SPECS.capacityUsed, max: SPECS.capacityMax },
      registry,
    ),
    policyTasksQueued: (count) => {
      policyQueueLength = count;
    },
    injectionTemplatesCounted: (count) => templates.set(count),
    render: (format = 'text') => renderMetrics(registry, format),
  };
};
