/** How a refusal of the gateway appears in HTTP, and in the protocol of an AWS SDK. */
export type CallRefusalRow = {
  readonly status: 400 | 401 | 403 | 404 | 413 | 501 | 502 | 503;
  /** The error code that SDKs know: for most it decides whether they retry. */
  readonly awsCode: string;
  /** Seconds, where trying again can succeed. */
  readonly retryAfter?: number;
};

const denied: CallRefusalRow = { status: 403, awsCode: 'AccessDenied' };
const unsupported: CallRefusalRow = { status: 501, awsCode: 'NotImplemented' };
const busy: CallRefusalRow = { status: 503, awsCode: 'SlowDown', retryAfter: 1 };
const unavailable: CallRefusalRow = { status: 503, awsCode: 'ServiceUnavailable', retryAfter: 1 };

/** By stable code. */
export const CALL_REFUSALS = {
  // Not 404: SDKs without keys send S3 calls unsigned, and report 404 as an object that does not exist.
  signature_missing: denied,
  run_unknown: { status: 403, awsCode: 'InvalidClientTokenId' },
  signature_invalid: { status: 403, awsCode: 'SignatureDoesNotMatch' },
  run_ended: { status: 403, awsCode: 'ExpiredToken' },
  run_revoked: denied,
  run_refused: denied,
  clock_skew: { status: 403, awsCode: 'RequestTimeTooSkewed' },
  header_unsigned: denied,
  operation_mints: denied,
  action_outside: denied,
  resource_outside: denied,
  region_outside: denied,
  path_outside: denied,
  ref_outside: denied,
  model_outside: denied,
  tool_outside: denied,
  tool_unpinned: denied,
  tool_drift: denied,
  call_denied: denied,
  approval_pending: denied,
  approval_denied: denied,
  approval_expired: denied,
  approval_used: denied,
  approval_policy_changed: denied,
  approval_separation: denied,
  approval_needs_hash: denied,
  emergency_unreviewed: denied,
  // Not 429: SDKs would repeat the call for minutes.
  too_many_approvals: denied,
  approval_cooldown: denied,
  budget_exceeded: denied,
  key_required: { status: 401, awsCode: 'InvalidClientTokenId' },
  presigned: denied,
  not_local: denied,
  route_unknown: { status: 404, awsCode: 'NotFound' },
  // MCP clients begin a new session at this status.
  session_unknown: { status: 404, awsCode: 'NotFound' },
  operation_unknown: unsupported,
  operation_ambiguous: unsupported,
  operation_unmapped: unsupported,
  sigv4a: unsupported,
  event_stream: unsupported,
  upgrade_unsupported: unsupported,
  request_malformed: { status: 400, awsCode: 'InvalidRequest' },
  chunks_malformed: { status: 400, awsCode: 'IncompleteBody' },
  checksum_mismatch: { status: 400, awsCode: 'BadDigest' },
  body_too_large: { status: 413, awsCode: 'EntityTooLarge' },
  overloaded: busy,
  exchange_in_progress: unavailable,
  authority_unreachable: unavailable,
  audit_unavailable: unavailable,
  upstream_unreachable: unavailable,
  upstream_untrusted: { status: 502, awsCode: 'ServiceUnavailable' },
  redirect_refused: { status: 502, awsCode: 'ServiceUnavailable' },
  secret_echoed: { status: 502, awsCode: 'ServiceUnavailable' },
} as const satisfies Readonly<Record<string, CallRefusalRow>>;

/** Stable code of a refused call. */
export type CallRefusalCode = keyof typeof CALL_REFUSALS;

/** Whether a text is the code of a refused call. */
export const isRefusalCode = (code: string): code is CallRefusalCode =>
  Object.hasOwn(CALL_REFUSALS, code);

/** A refused call. The message holds no body, query value, header value, key or token. */
export type CallRefusal = {
  readonly code: CallRefusalCode;
  readonly message: string;
  /** What people were asked. */
  readonly approval?: { readonly namespace: string; readonly name: string };
};
