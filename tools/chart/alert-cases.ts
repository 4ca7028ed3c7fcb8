/** A series and its values, one for each minute, in the notation of `promtool test rules`. */
export type Series = readonly [series: string, values: string];

/** Series on which an alert fires, and series on which it does not. */
export type AlertCase = {
  readonly alert: string;
  readonly severity: 'critical' | 'warning';
  /** When the alert is evaluated. The clock starts at 0, so timestamps are seconds since the start. */
  readonly at: string;
  readonly fires: readonly Series[];
  /** Labels of the alert, beside its severity. */
  readonly labels?: Readonly<Record<string, string>>;
  /** One entry for each reason not to fire. */
  readonly quiet: readonly (readonly Series[])[];
};

const POD = { namespace: 'valetkey', pod: 'p-0' };
const AGENT = { namespace: 'research', pod: 'a-0' };

const render = (name: string, labels: Readonly<Record<string, string>>): string =>
  `${name}{${Object.entries(labels)
    .map(([label, value]) => `${label}="${value}"`)
    .join(',')}}`;
const webhook = (name: string, labels: Readonly<Record<string, string>> = {}): string =>
  render(`valetkey_webhook_${name}`, { ...POD, ...labels });
const authority = (name: string, labels: Readonly<Record<string, string>> = {}): string =>
  render(`valetkey_authority_${name}`, { ...POD, ...labels });
const sidecar = (name: string, labels: Readonly<Record<string, string>> = {}): string =>
  render(`valetkey_sidecar_${name}`, { ...AGENT, ...labels });

const rejection = (error_type: string): string =>
  render('apiserver_admission_webhook_rejection_count', {
    ...{ name: 'mutate.valetkey.dev', type: 'admit', operation: 'CREATE' },
    error_type,
  });
const admissions = (outcome: string): string =>
  webhook('admissions_total', { operation: 'mutate', outcome, reason: 'none' });
const tokenRequests = (outcome: string): string =>
  authority('request_duration_seconds_count', { route: 'token', outcome });
const refusals = (reason: string): string =>
  authority('requests_total', { route: 'token', reason });
const signals = (outcome: string): string =>
  authority('signals_total', { transmitter: 'https://events.example', outcome });
const exchanges = (outcome: string): string =>
  sidecar('exchanges_total', { task: 'reports', outcome });
const denyListUpdates = (le: string): string =>
  authority('deny_list_update_duration_seconds_bucket', { le });
const databaseRoles = authority('database_roles', { upstream: 'reports', state: 'overdue' });
const connected = (pod: string): string => sidecar('authority_connected', { pod });
const capacity = (name: string, max: number, used: number): readonly Series[] => [
  [render(`${name}_capacity_used`, { ...POD, resource: 'connections' }), `${used}x10`],
  [render(`${name}_capacity_max`, { ...POD, resource: 'connections' }), `${max}x10`],
];

const WEBHOOK_CASES: readonly AlertCase[] = [
  {
    alert: 'ValetkeyWebhookAbsent',
    severity: 'critical',
    at: '6m',
    fires: [],
    quiet: [[[webhook('ca_bundle_trusted'), '1x10']]],
  },
  {
    alert: 'ValetkeyWebhookUntrusted',
    severity: 'critical',
    at: '3m',
    fires: [[webhook('ca_bundle_trusted'), '0x5']],
    labels: POD,
    quiet: [[[webhook('ca_bundle_trusted'), '1x5']], [[webhook('ca_bundle_trusted'), '1 1 0 0']]],
  },
  {
    alert: 'ValetkeyWebhookCertificateExpiring',
    severity: 'critical',
    at: '1m',
    fires: [[webhook('certificate_expiration_timestamp_seconds'), '86400x5']],
    labels: POD,
    quiet: [[[webhook('certificate_expiration_timestamp_seconds'), '200000x5']]],
  },
  {
    alert: 'ValetkeyWebhookErrors',
    severity: 'warning',
    at: '15m',
    fires: [[admissions('errored'), '0+1x20']],
    labels: { operation: 'mutate' },
    quiet: [
      [
        [admissions('errored'), '0x20'],
        [admissions('denied'), '0+1x20'],
      ],
    ],
  },
  {
    alert: 'ValetkeyWebhookPoliciesStale',
    severity: 'critical',
    at: '6m',
    fires: [[webhook('watch_last_sync_timestamp_seconds', { resource: 'taskpolicies' }), '0x10']],
    labels: { ...POD, resource: 'taskpolicies' },
    quiet: [
      [[webhook('watch_last_sync_timestamp_seconds', { resource: 'taskpolicies' }), '0+60x10']],
    ],
  },
  {
    alert: 'ValetkeyInjectionTemplatesStale',
    severity: 'warning',
    at: '40m',
    fires: [
      [webhook('watch_last_sync_timestamp_seconds', { resource: 'injection-templates' }), '0x60'],
    ],
    labels: { ...POD, resource: 'injection-templates' },
    quiet: [
      [
        [
          webhook('watch_last_sync_timestamp_seconds', { resource: 'injection-templates' }),
          '0+60x60',
        ],
      ],
    ],
  },
  {
    // The API server creates the series at the first failure.
    alert: 'ValetkeyWebhookCallsFailing',
    severity: 'critical',
    at: '11m',
    fires: [[rejection('calling_webhook_error'), '_x5 1x10']],
    labels: { name: 'mutate.valetkey.dev' },
    quiet: [[[rejection('no_error'), '0+1x20']]],
  },
  {
    alert: 'ValetkeyWebhookCallsFailing',
    severity: 'critical',
    at: '20m',
    fires: [[rejection('calling_webhook_error'), '5+1x30']],
    labels: { name: 'mutate.valetkey.dev' },
    quiet: [[[rejection('calling_webhook_error'), '5x30']]],
  },
  {
    alert: 'ValetkeyPodsRejected',
    severity: 'warning',
    at: '100m',
    fires: [[rejection('no_error'), '0+1x120']],
    labels: { name: 'mutate.valetkey.dev' },
    quiet: [
      [[rejection('no_error'), '0x60 1x60']],
      [[rejection('calling_webhook_error'), '0+1x120']],
    ],
  },
  {
    alert: 'ValetkeyWebhookCapacityLow',
    severity: 'warning',
    at: '6m',
    fires: capacity('valetkey_webhook', 1024, 900),
    labels: { ...POD, resource: 'connections' },
    quiet: [capacity('valetkey_webhook', 1024, 500)],
  },
];

const AUTHORITY_CASES: readonly AlertCase[] = [
  {
    alert: 'ValetkeyAuthorityAbsent',
    severity: 'critical',
    at: '6m',
    fires: [],
    quiet: [[[authority('certificate_trusted'), '1x10']]],
  },
  {
    alert: 'ValetkeyAuthorityCertificateExpiring',
    severity: 'critical',
    at: '1m',
    fires: [[authority('certificate_expiration_timestamp_seconds'), '86400x5']],
    labels: POD,
    quiet: [[[authority('certificate_expiration_timestamp_seconds'), '200000x5']]],
  },
  {
    alert: 'ValetkeyAuditWritesFailing',
    severity: 'critical',
    at: '4m',
    fires: [[authority('audit_write_errors_total', { code: 'disk_full' }), '0 0 1x5']],
    labels: { ...POD, code: 'disk_full' },
    quiet: [[[authority('audit_write_errors_total', { code: 'disk_full' }), '3x5']]],
  },
  {
    alert: 'ValetkeyAuditExportFailing',
    severity: 'warning',
    at: '35m',
    fires: [[authority('audit_exports_total', { outcome: 'failed' }), '0+1x40']],
    labels: { ...POD, outcome: 'failed' },
    quiet: [[[authority('audit_exports_total', { outcome: 'uploaded' }), '0+1x40']]],
  },
  {
    alert: 'ValetkeyAuditVolumeFilling',
    severity: 'warning',
    at: '11m',
    fires: [
      [authority('audit_volume_free_bytes'), '10x20'],
      [authority('audit_volume_size_bytes'), '100x20'],
    ],
    labels: POD,
    quiet: [
      [
        [authority('audit_volume_free_bytes'), '50x20'],
        [authority('audit_volume_size_bytes'), '100x20'],
      ],
    ],
  },
  {
    alert: 'ValetkeyAuditVolumeExhausted',
    severity: 'critical',
    at: '80m',
    fires: [
      [authority('audit_volume_free_bytes'), '190000-1000x90'],
      [authority('audit_volume_size_bytes'), '1000000x90'],
    ],
    labels: POD,
    quiet: [
      [
        [authority('audit_volume_free_bytes'), '190000x90'],
        [authority('audit_volume_size_bytes'), '1000000x90'],
      ],
      [
        [authority('audit_volume_free_bytes'), '900000-1000x90'],
        [authority('audit_volume_size_bytes'), '1000000x90'],
      ],
    ],
  },
  {
    alert: 'ValetkeyPolicyInvalid',
    severity: 'critical',
    at: '2m',
    fires: [[authority('task_policies', { state: 'invalid' }), '1x5']],
    labels: { ...POD, state: 'invalid' },
    quiet: [[[authority('task_policies', { state: 'invalid' }), '0x5']]],
  },
  {
    alert: 'ValetkeyNoPolicies',
    severity: 'warning',
    at: '12m',
    fires: [[authority('task_policies', { state: 'valid' }), '0x20']],
    labels: { ...POD, state: 'valid' },
    quiet: [[[authority('task_policies', { state: 'valid' }), '1x20']]],
  },
  {
    alert: 'ValetkeyVendExceptionEnding',
    severity: 'warning',
    at: '12m',
    fires: [
      [authority('policy_until_timestamp_seconds', { policy: 'legacy/export' }), '600000x20'],
    ],
    labels: { policy: 'legacy/export' },
    quiet: [
      [[authority('policy_until_timestamp_seconds', { policy: 'legacy/export' }), '800000x20']],
    ],
  },
  {
    alert: 'ValetkeyUpstreamNotReady',
    severity: 'warning',
    at: '20m',
    fires: [[authority('upstreams', { state: 'not_ready' }), '1x30']],
    quiet: [
      [[authority('upstreams', { state: 'not_ready' }), '0x30']],
      [[authority('upstreams', { state: 'ready' }), '3x30']],
    ],
  },
  {
    alert: 'ValetkeyApprovalsUnavailable',
    severity: 'warning',
    at: '8m',
    fires: [[refusals('approvals_unavailable'), '0x4 1x10']],
    quiet: [
      [[refusals('approvals_unavailable'), '1x20']],
      [[refusals('approval_pending'), '0+1x20']],
    ],
  },
  {
    alert: 'ValetkeyApprovalsExpiring',
    severity: 'warning',
    at: '10m',
    fires: [[authority('approvals', { state: 'expired' }), '3x20']],
    quiet: [
      [[authority('approvals', { state: 'expired' }), '2x20']],
      [[authority('approvals', { state: 'pending' }), '9x20']],
    ],
  },
  {
    alert: 'ValetkeyEmergencyUsed',
    severity: 'warning',
    at: '10m',
    fires: [[authority('emergencies_total', { outcome: 'used' }), '0x5 1x10']],
    quiet: [
      [[authority('emergencies_total', { outcome: 'used' }), '1x20']],
      [[authority('emergencies_total', { outcome: 'reviewed' }), '0+1x20']],
    ],
  },
  {
    alert: 'ValetkeyEmergencyUnreviewed',
    severity: 'warning',
    at: '1445m',
    fires: [[authority('emergencies_unreviewed'), '1x1450']],
    quiet: [
      [[authority('emergencies_unreviewed'), '0x10 1x1440']],
      [[authority('emergencies_unreviewed'), '1x1400 0x50']],
    ],
  },
  {
    alert: 'ValetkeyCanaryTouched',
    severity: 'critical',
    at: '10m',
    fires: [[authority('canaries_touched_total', { kind: 'task' }), '0x5 1x10']],
    quiet: [[[authority('canaries_touched_total', { kind: 'resource' }), '1x20']]],
  },
  {
    alert: 'ValetkeySignalReceived',
    severity: 'warning',
    at: '10m',
    fires: [[signals('revoked'), '0x5 1x10']],
    labels: { transmitter: 'https://events.example' },
    quiet: [[[signals('revoked'), '1x20']], [[signals('refused'), '0+1x20']]],
  },
  {
    alert: 'ValetkeyApprovalNoticesFailing',
    severity: 'warning',
    at: '10m',
    fires: [[authority('approval_notices_total', { outcome: 'failed' }), '0x5 1x10']],
    labels: { ...POD, outcome: 'failed' },
    quiet: [
      [[authority('approval_notices_total', { outcome: 'failed' }), '2x20']],
      [[authority('approval_notices_total', { outcome: 'delivered' }), '0+1x20']],
    ],
  },
  {
    alert: 'ValetkeySecretRevocationFailing',
    severity: 'warning',
    at: '10m',
    fires: [[authority('secrets_revoked_total', { outcome: 'failed' }), '0x5 1x10']],
    labels: { ...POD, outcome: 'failed' },
    quiet: [
      [[authority('secrets_revoked_total', { outcome: 'revoked' }), '0+1x20']],
      [[authority('secrets_revoked_total', { outcome: 'failed' }), '2x20']],
    ],
  },
  {
    alert: 'ValetkeySecretTooOld',
    severity: 'warning',
    at: '40m',
    fires: [
      [authority('secret_changed_timestamp_seconds', { upstream: 'model-api' }), '0x60'],
      [authority('secret_max_age_seconds', { upstream: 'model-api' }), '600x60'],
    ],
    labels: { upstream: 'model-api' },
    quiet: [
      [
        [authority('secret_changed_timestamp_seconds', { upstream: 'model-api' }), '0x60'],
        [authority('secret_max_age_seconds', { upstream: 'model-api' }), '6000x60'],
      ],
      // Without a largest age.
      [[authority('secret_changed_timestamp_seconds', { upstream: 'model-api' }), '0x60']],
    ],
  },
  {
    alert: 'ValetkeySecretEchoed',
    severity: 'critical',
    at: '10m',
    fires: [
      [sidecar('calls_total', { task: 'chat', outcome: 'cut', code: 'secret_echoed' }), '0x5 1x10'],
    ],
    labels: { ...AGENT, task: 'chat' },
    quiet: [
      [
        [
          sidecar('calls_total', { task: 'chat', outcome: 'refused', code: 'path_outside' }),
          '0+1x20',
        ],
      ],
    ],
  },
  {
    alert: 'ValetkeyWatchStale',
    severity: 'critical',
    at: '5m',
    fires: [[authority('watch_last_sync_timestamp_seconds', { resource: 'revocations' }), '0x10']],
    labels: { ...POD, resource: 'revocations' },
    quiet: [
      [[authority('watch_last_sync_timestamp_seconds', { resource: 'revocations' }), '0+60x10']],
    ],
  },
  {
    alert: 'ValetkeyUnavailable',
    severity: 'warning',
    at: '25m',
    fires: [
      [tokenRequests('unavailable'), '0+10x30'],
      [tokenRequests('done'), '0+10x30'],
    ],
    quiet: [
      [
        [tokenRequests('unavailable'), '0x30'],
        [tokenRequests('done'), '0+10x30'],
      ],
      // Fewer than 20 requests in 10 minutes.
      [
        [tokenRequests('unavailable'), '0+1x30'],
        [tokenRequests('done'), '0x30'],
      ],
    ],
  },
  {
    alert: 'ValetkeyGrantsRejected',
    severity: 'critical',
    at: '20m',
    fires: [[refusals('clock_skew'), '0+1x30']],
    labels: { reason: 'clock_skew' },
    quiet: [[[refusals('task_unknown'), '0+1x30']]],
  },
  {
    alert: 'ValetkeySigningKeyRotationBlocked',
    severity: 'warning',
    at: '70m',
    fires: [[authority('signing_key_problems', { problem: 'rotation_blocked' }), '1x90']],
    labels: { ...POD, problem: 'rotation_blocked' },
    quiet: [
      [[authority('signing_key_problems', { problem: 'rotation_blocked' }), '1x20 _x20 1x40']],
    ],
  },
  {
    alert: 'ValetkeyPublishedKeysInvalid',
    severity: 'critical',
    at: '12m',
    fires: [[authority('signing_key_problems', { problem: 'published_keys_stale' }), '1x20']],
    labels: { problem: 'published_keys_stale' },
    quiet: [[[authority('signing_key_problems', { problem: 'rotation_blocked' }), '1x20']]],
  },
  {
    alert: 'ValetkeyAuthorityUntrusted',
    severity: 'critical',
    at: '6m',
    fires: [[authority('certificate_trusted'), '0x10']],
    labels: POD,
    quiet: [[[authority('certificate_trusted'), '1x10']]],
  },
  {
    alert: 'ValetkeyCaRotationBlocked',
    severity: 'warning',
    at: '1500m',
    fires: [[authority('trust_bundles_missing_next_ca'), '2x1600']],
    quiet: [[[authority('trust_bundles_missing_next_ca'), '2x600 0x1000']]],
  },
  {
    alert: 'ValetkeyDatabaseRolesOverdue',
    severity: 'warning',
    at: '20m',
    fires: [[databaseRoles, '2x30']],
    labels: { upstream: 'reports' },
    quiet: [[[databaseRoles, '2x10 0x20']], [[databaseRoles, '0x30']]],
  },
  {
    alert: 'ValetkeyAuthorityCapacityLow',
    severity: 'warning',
    at: '6m',
    fires: capacity('valetkey_authority', 4096, 4000),
    labels: { ...POD, resource: 'connections' },
    quiet: [capacity('valetkey_authority', 4096, 40)],
  },
  {
    alert: 'ValetkeyDenyListUpdatesSlow',
    severity: 'warning',
    at: '20m',
    fires: [
      [denyListUpdates('60'), '0x30'],
      [denyListUpdates('120'), '0+1x30'],
      [denyListUpdates('+Inf'), '0+1x30'],
    ],
    quiet: [
      [
        [denyListUpdates('5'), '0+1x30'],
        [denyListUpdates('60'), '0+1x30'],
        [denyListUpdates('+Inf'), '0+1x30'],
      ],
    ],
  },
];

const SIDECAR_CASES: readonly AlertCase[] = [
  {
    alert: 'ValetkeyExchangesFailing',
    severity: 'warning',
    at: '30m',
    fires: [
      [exchanges('unavailable'), '0+1x40'],
      [exchanges('issued'), '0+1x40'],
    ],
    labels: { namespace: 'research', task: 'reports' },
    quiet: [
      [
        [exchanges('unavailable'), '0x40'],
        [exchanges('issued'), '0+1x40'],
      ],
      // A refusal of the authority is a decision.
      [
        [connected('a-0'), '1x40'],
        [exchanges('unavailable'), '0x40'],
        [exchanges('refused'), '0+1x40'],
      ],
    ],
  },
  {
    // With trust: cluster, STS refuses.
    alert: 'ValetkeyExchangesFailing',
    severity: 'warning',
    at: '30m',
    fires: [
      [exchanges('unavailable').replace('a-0', 'a-1'), '0x40'],
      [exchanges('refused'), '0+1x40'],
    ],
    labels: { namespace: 'research', task: 'reports' },
    quiet: [],
  },
  {
    alert: 'ValetkeyCredentialsExpiring',
    severity: 'warning',
    at: '10m',
    fires: [
      [sidecar('credentials_expiration_timestamp_seconds', { task: 'reports' }), '660x20'],
      [exchanges('unavailable'), '0+1x20'],
      [exchanges('issued'), '1x20'],
    ],
    labels: { ...AGENT, task: 'reports' },
    quiet: [
      // No one asks for new credentials.
      [
        [sidecar('credentials_expiration_timestamp_seconds', { task: 'reports' }), '660x20'],
        [exchanges('unavailable'), '0x20'],
      ],
      // A retry succeeded.
      [
        [sidecar('credentials_expiration_timestamp_seconds', { task: 'reports' }), '660x20'],
        [exchanges('unavailable'), '0+1x20'],
        [exchanges('issued'), '0+1x20'],
      ],
      // Valid for long.
      [
        [sidecar('credentials_expiration_timestamp_seconds', { task: 'reports' }), '1500x20'],
        [exchanges('unavailable'), '0+1x20'],
      ],
    ],
  },
  {
    alert: 'ValetkeySidecarsDisconnected',
    severity: 'critical',
    at: '6m',
    fires: ['a', 'b', 'c', 'd'].map((pod) => [connected(pod), pod === 'd' ? '1x10' : '0x10']),
    quiet: [
      // One of nine pods.
      Array.from({ length: 9 }, (_, pod) => [connected(`a-${pod}`), pod === 0 ? '0x10' : '1x10']),
    ],
  },
  {
    alert: 'ValetkeySidecarDisconnected',
    severity: 'warning',
    at: '20m',
    fires: [[connected('a-0'), '0x30']],
    labels: AGENT,
    quiet: [[[connected('a-0'), '0x10 1 0x30']]],
  },
  {
    alert: 'ValetkeyClockSkew',
    severity: 'warning',
    at: '12m',
    fires: [[sidecar('clock_skew_seconds'), '-25x20']],
    labels: AGENT,
    quiet: [[[authority('clock_skew_seconds'), '5x20']]],
  },
  {
    alert: 'ValetkeyEventLoopBlocked',
    severity: 'warning',
    at: '12m',
    fires: [
      [render('nodejs_eventloop_lag_p99_seconds', POD), '0.9x20'],
      [webhook('ca_bundle_trusted'), '1x20'],
    ],
    labels: POD,
    quiet: [
      // Another program of Node.js.
      [
        [render('nodejs_eventloop_lag_p99_seconds', AGENT), '0.9x20'],
        [webhook('ca_bundle_trusted'), '1x20'],
      ],
      [
        [render('nodejs_eventloop_lag_p99_seconds', POD), '0.02x20'],
        [webhook('ca_bundle_trusted'), '1x20'],
      ],
    ],
  },
];

const served = (code: string): string =>
  sidecar('requests_total', { route: '/v1/credentials', code });

const OBJECTIVE_CASES: readonly AlertCase[] = [
  {
    alert: 'ValetkeyErrorBudgetBurningFast',
    severity: 'critical',
    at: '30m',
    fires: [
      [admissions('errored'), '0+3x60'],
      [admissions('patched'), '0+57x60'],
    ],
    labels: { slo: 'admission' },
    quiet: [
      [
        [admissions('errored'), '0x60'],
        [admissions('patched'), '0+60x60'],
      ],
      // Fewer than 20 requests in an hour.
      [
        [admissions('errored'), '0 0 0 0 0 0 0 0 0 0 1x50'],
        [admissions('patched'), '0+0.1x60'],
      ],
    ],
  },
  {
    alert: 'ValetkeyErrorBudgetBurningFast',
    severity: 'critical',
    at: '30m',
    fires: [
      [tokenRequests('unavailable'), '0+10x60'],
      [tokenRequests('done'), '0+50x60'],
    ],
    labels: { slo: 'issuing' },
    quiet: [
      // Callers over their rate limit.
      [
        [tokenRequests('unavailable'), '0+10x60'],
        [tokenRequests('done'), '0+50x60'],
        [refusals('rate_limited_pod'), '0+10x60'],
      ],
      // A policy denies: no error.
      [
        [tokenRequests('unavailable'), '0x60'],
        [tokenRequests('refused'), '0+50x60'],
      ],
    ],
  },
  {
    alert: 'ValetkeyErrorBudgetBurningFast',
    severity: 'critical',
    at: '60m',
    fires: [
      [served('503'), '0+10x100'],
      [served('200'), '0+50x100'],
    ],
    labels: { slo: 'serving' },
    quiet: [
      [
        [served('403'), '0+10x100'],
        [served('200'), '0+50x100'],
      ],
      // The failure ended 35 minutes ago.
      [
        [served('503'), '0+10x20 200x80'],
        [served('200'), '0+50x100'],
      ],
    ],
  },
  {
    alert: 'ValetkeyErrorBudgetBurningFast',
    severity: 'critical',
    at: '30m',
    fires: ['a', 'b', 'c', 'd'].map((pod) => [connected(pod), pod === 'd' ? '0x60' : '1x60']),
    labels: { slo: 'revocation' },
    quiet: [
      ['a', 'b', 'c', 'd'].map((pod) => [connected(pod), '1x60']),
      // Two sidecars are too few for an objective; ValetkeySidecarDisconnected reports them.
      ['a', 'b'].map((pod) => [connected(pod), '0x60']),
    ],
  },
  {
    alert: 'ValetkeyErrorBudgetBurningSlow',
    severity: 'warning',
    at: '90m',
    fires: [
      [admissions('errored'), '0+1x120'],
      [admissions('patched'), '0+249x120'],
    ],
    labels: { slo: 'admission' },
    quiet: [
      [
        [admissions('errored'), '0x120'],
        [admissions('patched'), '0+249x120'],
      ],
    ],
  },
];

export const ALERT_CASES: readonly AlertCase[] = [
  ...WEBHOOK_CASES,
  ...AUTHORITY_CASES,
  ...SIDECAR_CASES,
  ...OBJECTIVE_CASES,
];
