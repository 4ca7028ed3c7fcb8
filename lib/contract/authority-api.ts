/** The authority's ports: HTTPS for sidecars and clouds, HTTP for probes and metrics. */
export const AUTHORITY_LISTEN = 9445;
export const AUTHORITY_TELEMETRY_LISTEN = 9446;
/** The authority does not share a user with the webhook or the sidecars. */
export const AUTHORITY_UID = 64873;
export const AUTHORITY_GID = 64873;

/** Default audience of the pod's projected token under `trust: authority`. No cloud accepts it. */
export const AUTHORITY_AUDIENCE = 'authority.valetkey.dev';

/**
 * Matches hosts that no cloud on the internet reaches: names inside a cluster or a network, and
 * private addresses. A regular expression for JavaScript and for Helm (RE2).
 */
export const PRIVATE_HOST =
  '^([^.]+|(.*\\.)?(svc|local|localhost|internal)|.*\\.svc\\..*|(127|10)(\\.[0-9]+){3}|192\\.168(\\.[0-9]+){2}|172\\.(1[6-9]|2[0-9]|3[01])(\\.[0-9]+){2})$';

/** ConfigMap in the authority's namespace: the trust bundle of sidecars, PEM, under {@link CA_BUNDLE_KEY}. */
export const TRUST_BUNDLE_CONFIG_MAP = 'valetkey-authority-trust-bundle';
export const CA_BUNDLE_KEY = 'ca-bundle.pem';
/** ConfigMap in the authority's namespace: the latest head of each replica's audit chain. */
export const AUDIT_HEADS_CONFIG_MAP = 'valetkey-audit-heads';

export const API_GROUP = 'valetkey.dev';
export const API_VERSION = 'v1alpha1';
export const TASK_POLICIES = 'taskpolicies';
export const REVOCATIONS = 'revocations';
export const UPSTREAMS = 'upstreams';

/** The authority's routes. Metadata: RFC 8414 and OpenID Connect Discovery 1.0. */
export const TOKEN_PATH = '/v1/token';
export const REVOKE_PATH = '/v1/revoke';
export const RECORDS_PATH = '/v1/records';
export const EVENTS_PATH = '/v1/events';
export const JWKS_PATH = '/jwks';
export const OAUTH_METADATA_PATH = '/.well-known/oauth-authorization-server';
export const OPENID_METADATA_PATH = '/.well-known/openid-configuration';

/** RFC 8693, section 2.1. */
export const TOKEN_EXCHANGE_GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange';
/** RFC 8693, section 3. */
export const JWT_TYPE = 'urn:ietf:params:oauth:token-type:jwt';
export const ID_TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:id_token';
/** Type of the issued token: base64url of {@link ContainerCredentials} as JSON. */
export const CREDENTIALS_TYPE = 'urn:valetkey:params:oauth:token-type:aws-credentials';
/** RFC 9396: the one type of authorization details that the authority accepts. */
export const TASK_DETAILS_TYPE = 'valetkey.dev/task';

/** One member of `authorization_details`, RFC 9396. */
export type TaskDetails = {
  readonly type: typeof TASK_DETAILS_TYPE;
  readonly task: string;
  /** The consumer, as claimed by the sidecar; checked against the task's containers. */
  readonly consumer: string;
  readonly params: Readonly<Record<string, string>>;
  readonly purpose?: string;
};

/** Characters of a run ID under `trust: authority`. */
export const RUN_ID_LENGTH = 32;

/** Response format of the AWS container credentials provider. */
export type ContainerCredentials = {
  readonly AccessKeyId: string;
  readonly SecretAccessKey: string;
  readonly Token: string;
  /** RFC 3339: the run's deadline, by the authority's clock. */
  readonly Expiration: string;
};

/** A successful response of {@link TOKEN_PATH}: RFC 8693, section 2.2.1, and members for the sidecar. */
export type TokenResponse = {
  readonly access_token: string;
  readonly issued_token_type: typeof CREDENTIALS_TYPE;
  readonly token_type: 'N_A';
  /** Whole seconds until the deadline, rounded down. */
  readonly expires_in: number;
  /** As granted. */
  readonly authorization_details: readonly TaskDetails[];
  readonly run: string;
  /** All in milliseconds since the epoch, by the authority's clock. */
  readonly deadline_ms: number;
  readonly answered_at_ms: number;
  /** How far the cloud's clock is ahead of the authority's. */
  readonly cloud_skew_ms: number;
  /** STS's PackedPolicySize, percent. */
  readonly packed_policy_percent?: number;
};

/** RFC 6749, section 5.2, with a stable code that is more specific than `error`. */
export type TokenErrorResponse = {
  readonly error:
    | 'invalid_request'
    | 'invalid_grant'
    | 'invalid_authorization_details'
    | 'unsupported_grant_type'
    | 'access_denied'
    | 'slow_down'
    | 'temporarily_unavailable'
    | 'server_error';
  readonly error_description: string;
  /** Stable: `pod_not_found`, `policy_denied`, `revoked`, `token_expired`, … */
  readonly reason: string;
  /** IDs of the policies that denied the run, if policy did. */
  readonly policies?: readonly string[];
};

/**
 * Form fields of {@link REVOKE_PATH} (RFC 7009): `token` = the run, `subject_token` = the pod's
 * token, `reason` = one of these.
 */
export const RUN_ENDS = ['completed', 'superseded', 'terminated'] as const;
export type RunEnd = (typeof RUN_ENDS)[number];

/** How a call through the sidecar's gateway ended. `cut`: while it was in flight. */
export const CALL_OUTCOMES = ['allowed', 'refused', 'failed', 'cut'] as const;
export type CallOutcome = (typeof CALL_OUTCOMES)[number];

/**
 * The calls of one run that lines `from` to `to` of its journal state. Form fields of
 * {@link RECORDS_PATH}: `run`, `subject_token` = the pod's token, `calls` = this as JSON.
 */
export type CallHead = {
  /** Numbers of the first and the last line; 0 is the first line of the run. */
  readonly from: number;
  readonly to: number;
  /** SHA-256, hex, of line `to`, and thereby of all lines before it. */
  readonly hash: string;
  /** Wall-clock milliseconds of the first and the last line. */
  readonly startedAt: number;
  readonly endedAt: number;
  readonly counts: Readonly<Record<CallOutcome, number>>;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Refused calls; equal ones are counted. */
  readonly refusals: readonly CallRefusalSummary[];
  /** What the other calls used. */
  readonly used: readonly UsedPermission[];
  /** How many more refused calls and used permissions there were than are listed. */
  readonly omitted: { readonly refusals: number; readonly used: number };
};

export type CallRefusalSummary = {
  readonly code: string;
  readonly count: number;
  readonly operation?: string;
  readonly action?: string;
  readonly resource?: string;
};

/** `resource` is the beginning of an ARN, or its SHA-256; absent if it could not be read. */
export type UsedPermission = { readonly action: string; readonly resource?: string };

/**
 * One line of the event stream at {@link EVENTS_PATH} (`application/x-ndjson`, `Authorization: Bearer`
 * with the pod's token). The first line lists the active revocations; each later list replaces it.
 */
export type StreamLine =
  | { readonly type: 'heartbeat' }
  | { readonly type: 'revocations'; readonly active: readonly StreamedRevocation[] }
  /** The replica is shutting down: connect to another one now. */
  | { readonly type: 'reconnect' };

/** The part of a revocation that concerns this pod. */
export type StreamedRevocation = {
  readonly name: string;
  /** Ends only this run; absent: every run, or every run of `task`. */
  readonly run?: string;
  readonly task?: string;
  readonly reason: string;
};

/** Milliseconds between heartbeats of the event stream. */
export const HEARTBEAT_INTERVAL_MS = 5_000;

/** How the sidecar reaches the authority. Part of its environment, as JSON. */
export type AuthorityAccess = {
  /** `https://host[:port]`. */
  readonly endpoint: string;
  /** PEM: the current and the next CA. */
  readonly roots: string;
  /** Credentials end when the authority was not reached for this long. Absent: only at their deadline. */
  readonly disconnectTimeoutSeconds?: number;
};

/** `spec` of a Revocation. Exactly one of the first six is set. */
export type RevocationSpec = {
  readonly run?: string;
  readonly pod?: { readonly namespace: string; readonly name: string; readonly uid?: string };
  readonly task?: {
    readonly namespace: string;
    readonly serviceAccount: string;
    readonly task: string;
  };
  readonly serviceAccount?: { readonly namespace: string; readonly name: string };
  readonly namespace?: string;
  readonly all?: boolean;
  readonly reason: string;
  /** Who revokes. A ValidatingAdmissionPolicy requires the caller's own name. */
  readonly by: string;
  /** RFC 3339. Absent: until it is deleted. */
  readonly until?: string;
};

export type Revocation = {
  readonly name: string;
  readonly uid: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly spec: RevocationSpec;
};
