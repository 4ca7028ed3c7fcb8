import type { RequestField } from './approvals.ts';
import type { TaskStatement } from './task.ts';

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
/** The same bundle under the key that a BackendTLSPolicy of the Gateway API reads. */
export const GATEWAY_CA_KEY = 'ca.crt';
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
export const DECISIONS_PATH = '/v1/decisions';
export const CALLS_PATH = '/v1/calls';
export const PROPOSALS_PATH = '/v1/proposals';
export const DELEGATIONS_PATH = '/v1/delegations';
export const EVENTS_PATH = '/v1/events';
export const SIGNALS_PATH = '/v1/signals';
export const JWKS_PATH = '/jwks';
export const OAUTH_METADATA_PATH = '/.well-known/oauth-authorization-server';
export const OPENID_METADATA_PATH = '/.well-known/openid-configuration';

/** RFC 8417, section 2.3: media type of what is pushed to {@link SIGNALS_PATH} (RFC 8935). */
export const SIGNAL_TYPE = 'application/secevent+jwt';

/** RFC 8935, section 2.4: why a signal is refused. */
export const SIGNAL_ERRORS = [
  ...['invalid_request', 'invalid_key', 'invalid_issuer', 'invalid_audience'],
  ...['authentication_failed', 'access_denied'],
] as const;

/** RFC 8693, section 2.1. */
export const TOKEN_EXCHANGE_GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange';
/** RFC 8693, section 3. */
export const JWT_TYPE = 'urn:ietf:params:oauth:token-type:jwt';
export const ID_TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:id_token';
/** Type of the issued token: base64url of {@link ContainerCredentials} as JSON. */
export const CREDENTIALS_TYPE = 'urn:valetkey:params:oauth:token-type:aws-credentials';
/** Type of the issued token for a task of provider `http`: base64url of an `HttpSecret` as JSON. */
export const HTTP_HEADERS_TYPE = 'urn:valetkey:params:oauth:token-type:http-headers';
/** Type of the issued token for a task of provider `postgres`: base64url of a `PostgresSecret` as JSON. */
export const POSTGRES_LOGIN_TYPE = 'urn:valetkey:params:oauth:token-type:postgres-login';
/** Type of the subject token of a delegated run: a handle of {@link DELEGATIONS_PATH}. */
export const DELEGATION_TYPE = 'urn:valetkey:params:oauth:token-type:delegation';
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
  readonly issued_token_type:
    typeof CREDENTIALS_TYPE | typeof HTTP_HEADERS_TYPE | typeof POSTGRES_LOGIN_TYPE;
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
  /**
   * Sealed by the authority: returned with the end of the run, it revokes the run's secret at its source.
   * Absent where nothing can be revoked.
   */
  readonly release?: string;
  /**
   * Of provider `http`: whether the pod, as it is now, has one container and level `restricted`, so that its
   * gateway may take the pod's UID as a key. Older sidecars ignore it.
   */
  readonly fixed_key?: boolean;
  /** Presented with later requests about the run. Consumers never get it. */
  readonly ticket?: string;
  /** Whether people approved the run: to renew it ahead of time would ask them again. */
  readonly approved?: true;
  /** Of a delegated run: what it may do of its task, with its params bound. */
  readonly allow?: readonly TaskStatement[];
  /** Of a delegated run: IDs of the runs above it, root first. Their end is its end. */
  readonly ancestors?: readonly string[];
} & Partial<RunDecision>;

/**
 * What policy decided about the calls of a run: part of the response of {@link TOKEN_PATH}, and the response
 * of {@link DECISIONS_PATH}. Form fields of the latter: `subject_token` = the pod's token, `ticket`.
 */
export type RunDecision = {
  readonly gates: readonly Gate[];
  /** Version of the policies that decided. */
  readonly policy_version: string;
};

/** What a sidecar can enforce. Form field `capabilities` of {@link TOKEN_PATH}, separated by spaces. */
export const CAPABILITIES = ['gates', 'canaries'] as const;

/**
 * A call that a gate asks about. Form fields of {@link CALLS_PATH}: `subject_token`, `ticket`, `call` = this
 * as JSON, `attempt` = a name of this attempt.
 */
export type GatedCall = {
  readonly operation: string;
  /** The permissions that gates ask about. Without a resource: it is not known. */
  readonly permissions: readonly { readonly action: string; readonly resource?: string }[];
  /** Of the body; absent: not known. */
  readonly bytes?: number;
  /** Strings of the body by JSON pointer; absent: not known. */
  readonly arguments?: Readonly<Record<string, string>>;
  /** What people would approve; absent: not known, so that no one can be asked. */
  readonly content?: CallContent;
};

/** All that makes a call this one. Two calls with the same hash do the same. */
export type CallContent = {
  /** SHA-256, hex, of the canonical JSON (RFC 8785) of method, path, query, headers, body and permissions. */
  readonly sha256: string;
  /** For people: what of it is short enough to be read. */
  readonly fields: readonly RequestField[];
};

/** Characters of an operation, an action or a resource of a {@link GatedCall}. */
export const MAX_GATED_TEXT_LENGTH = 2_048;
/** Characters of a {@link GatedCall} in JSON. */
export const MAX_GATED_CALL_LENGTH = 16 * 1024;
/** Lines of {@link CallContent}, and characters of each. */
export const MAX_CONTENT_FIELDS = 48;
export const MAX_CONTENT_NAME_LENGTH = 128;
export const MAX_CONTENT_VALUE_LENGTH = 512;
/** Strings of a body, and characters of each. */
export const MAX_CALL_ARGUMENTS = 64;
export const MAX_CALL_ARGUMENT_LENGTH = 1024;

/** Runs above a delegated one: `root → a → b → c` is the longest chain. */
export const MAX_CHAIN = 3;
/** Seconds in which a handle must be used. */
export const DELEGATION_SECONDS = 60;
/** Characters of a handle. */
export const DELEGATION_HANDLE = /^vkd1\.[\w-]{64,12288}$/;

/**
 * What a run delegates. Form fields of {@link DELEGATIONS_PATH}: `subject_token` = the pod's token, `ticket`,
 * `delegation` = this as JSON.
 */
export type DelegationDetails = {
  /** Name of the task that the other workload declares. */
  readonly task: string;
  /** Whose pods may use the handle. */
  readonly audience: { readonly namespace: string; readonly serviceAccount: string };
  /** Absent: what the other workload's task allows, all of which the run must have. */
  readonly allow?: readonly TaskStatement[];
  /** Params that the other run must have; it chooses the values of others. */
  readonly params?: Readonly<Record<string, string>>;
  /** Seconds that the other run may last. */
  readonly lifetime?: number;
};

/** A successful response of {@link DELEGATIONS_PATH}. */
export type DelegationResponse = {
  readonly handle: string;
  /** Milliseconds since the epoch, by the authority's clock. */
  readonly expires_at_ms: number;
};

/** Header of {@link EVENTS_PATH}: IDs of runs of other pods whose end the sidecar has to know, separated by commas. */
export const FOLLOW_HEADER = 'Valetkey-Follow';
export const MAX_FOLLOWED = 48;

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
  /** With reason `approval_pending`. */
  readonly approval?: PendingApproval;
};

/** An ApprovalRequest that people have not decided yet. */
export type PendingApproval = {
  readonly namespace: string;
  readonly name: string;
  readonly groups: readonly string[];
  /** Seconds until the request expires. */
  readonly expires_in: number;
  /** Seconds after which to send the same request again. */
  readonly interval: number;
  /** Seconds for which a call may wait for the answer; absent: none. */
  readonly hold?: number;
};

/**
 * Form fields of {@link REVOKE_PATH} (RFC 7009): `token` = the run, `subject_token` = the pod's
 * token, `reason` = one of these or of {@link RELEASE_ENDS}, `release` = that of the {@link TokenResponse}.
 */
export const RUN_ENDS = ['completed', 'superseded', 'terminated', 'budget_exceeded'] as const;
export type RunEnd = (typeof RUN_ENDS)[number];

/**
 * Ends that need a report only for a `release`: the authority knows when runs expire and which it revoked.
 * `discarded`: the run was issued and never started.
 */
export const RELEASE_ENDS = ['expired', 'revoked', 'discarded'] as const;
export type ReleaseEnd = (typeof RELEASE_ENDS)[number];

/** Characters of `release`: a sealed token of at most 16 KiB. */
export const RELEASE = /^[a-z0-9-]{1,63}\.[\w-]{1,32768}$/;
/**
 * `deny`: refused at the gateway; `ask`: the authority decides about each call; `canary`: refused and reported
 * with {@link CALLS_PATH}, also outside of the task.
 */
export const GATES = ['deny', 'ask', 'canary'] as const;

/** What policy leaves to decide about the calls of a run, computed at the start of the run. */
export type Gate = {
  readonly gate: (typeof GATES)[number];
  /** Concrete actions, or `*`. */
  readonly actions: readonly string[];
  /** Resources, where `*` matches any characters and `?` any one; absent: every resource. */
  readonly like?: readonly string[];
  /** IDs of the policies; empty: too many to list. */
  readonly policies: readonly string[];
};

/** Of policies, of a run. Above it, one gate asks about every call. */
export const MAX_GATES = 64;

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
  /** The current policies; sent first, and after each change. Older sidecars ignore it. */
  | { readonly type: 'policies'; readonly version: string }
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
