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
  { title: 'the caBundle of the webhook is replaced', alerts: ['ValetkeyWebhookUntrusted'] },
  {
    title: 'the published trust bundle of the authority is replaced',
    alerts: ['ValetkeyAuthorityUntrusted'],
  },
  {
    title: 'STS does not answer',
    alerts: ['ValetkeyExchangesFailing', 'ValetkeyUnavailable', 'ValetkeyCredentialsExpiring'],
  },
  { title: 'the cloud trusts another issuer', alerts: ['ValetkeyGrantsRejected'] },
  { title: 'the documents of the issuer cannot be read', alerts: ['ValetkeyPublishedKeysInvalid'] },
  {
    title: 'the API server does not answer the webhook and the authority',
    alerts: ['ValetkeyWebhookErrors', 'ValetkeyWebhookPoliciesStale', 'ValetkeyWatchStale'],
  },
  {
    title: 'replicas of the authority take one connection, and an exception ends in six days',
    alerts: ['ValetkeyAuthorityCapacityLow', 'ValetkeyVendExceptionEnding'],
  },
  { title: 'an agent starts a canary', alerts: ['ValetkeyCanaryTouched'] },
] as const;

export type CausedFault = (typeof CAUSED_FAULTS)[number]['title'];

const LONG = 'it lasts a day, which is 48 minutes even if shortened';
const OTHER_SERVER = 'the server that it needs runs in other tests';

/** Alerts that no end-to-end test causes, with the reason. `promtool test rules` shows that they fire, and do not. */
export const ONLY_RULE_TESTS: Readonly<Record<string, string>> = {
  ValetkeyInjectionTemplatesStale:
    'templates are read every ten minutes, so that its threshold of half an hour cannot be shortened',
  ValetkeyDenyListUpdatesSlow: 'only roles of RGW have deny lists, and these tests run on MinIO',
  ValetkeyClockSkew: 'MinIO, the programs and the node have one clock',
  ValetkeyWebhookCapacityLow:
    'its maximum of 1,024 connections cannot be set, and idle ones are closed after seconds',
  ValetkeyEventLoopBlocked: 'it would depend on the speed of the machine',
  ValetkeyAuditExportFailing: 'only the release on RGW exports audit files',
  ValetkeyApprovalsUnavailable: 'an API server that answers about all but approvals is no fault',
  ValetkeyApprovalsExpiring: 'requests stay for an hour after their end, and the alert as long',
  ValetkeyApprovalNoticesFailing: 'the tests configure no webhook of approvals',
  ValetkeyEmergencyUsed: 'authority/call-approvals.e2e.ts uses one before this Prometheus starts',
  ValetkeyEmergencyUnreviewed: LONG,
  ValetkeySignalReceived: 'the tests configure no transmitter',
  ValetkeySecretRevocationFailing: OTHER_SERVER,
  ValetkeySecretTooOld: 'the shortest maxAge is a day, and a Secret shows when it was written',
  ValetkeySecretEchoed: OTHER_SERVER,
  ValetkeyDatabaseRolesOverdue: OTHER_SERVER,
  ValetkeySigningKeyRotationBlocked:
    'a month-old key and issuer documents without the next one are needed at once',
  ValetkeyCaRotationBlocked: LONG,
  ValetkeyErrorBudgetBurningSlow:
    'one of its windows is six hours, which is 12 minutes even if shortened, so that it ends late',
};
