import type { MetricSpec } from './metric-spec.ts';

/** By what the code calls them. */
export const WEBHOOK_METRIC_SPECS = {
  admissions: {
    name: 'valetkey_webhook_admissions_total',
    type: 'counter',
    help: 'Answered admission requests, by operation (mutate, validate, validate-policy), outcome (patched, allowed, denied, errored, malformed) and reason: the number of the rule that was broken, "declaration" for a task that cannot be read, "policy" for one that policy denies and for a TaskPolicy that is invalid, "several", or none.',
    labels: ['operation', 'outcome', 'reason'],
    unit: '1',
  },
  admissionSeconds: {
    name: 'valetkey_webhook_admission_duration_seconds',
    type: 'histogram',
    help: 'How long answers took, from the whole body to the whole answer.',
    labels: ['operation'],
    unit: 'seconds',
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
  },
  certificateNotAfter: {
    name: 'valetkey_webhook_certificate_not_after_seconds',
    type: 'gauge',
    help: 'When the certificate that this replica serves with expires, seconds since the epoch.',
    labels: [],
    unit: 'seconds',
  },
  caBundleTrusted: {
    name: 'valetkey_webhook_ca_bundle_match',
    type: 'gauge',
    help: "1 while both live webhook configurations trust this replica's certificate, else 0: API servers then refuse to talk to it.",
    labels: [],
    unit: '1',
  },
  reconcileErrors: {
    name: 'valetkey_webhook_certificate_rounds_failed_total',
    type: 'counter',
    help: 'Rounds of keeping the certificate that failed; the certificate at hand serves on.',
    labels: [],
    unit: '1',
  },
  injectionTemplates: {
    name: 'valetkey_webhook_profiles',
    type: 'gauge',
    help: 'Profiles that running pods may have been injected from and that this replica accepts.',
    labels: [],
    unit: '1',
  },
  injectionTemplatesAge: {
    name: 'valetkey_webhook_profiles_watch_age_seconds',
    type: 'gauge',
    help: 'Time since the watch of the profiles last told anything; every replica writes there each ten minutes, so more than thirty mean that it is broken.',
    labels: [],
    unit: 'seconds',
  },
  policiesAge: {
    name: 'valetkey_webhook_policies_watch_age_seconds',
    type: 'gauge',
    help: 'Under trust: authority: time since the API server last confirmed what TaskPolicies there are, normally less than a minute; past authority.policyStaleAfter every task is denied.',
    labels: [],
    unit: 'seconds',
  },
} as const satisfies Readonly<Record<string, MetricSpec>>;
