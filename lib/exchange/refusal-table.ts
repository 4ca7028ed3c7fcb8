import type { TokenErrorResponse } from '../contract/authority-api.ts';
import {
  IDENTITY_REFUSALS,
  type Explanation,
  type IdentityCode,
} from '../identity/identity-refusals.ts';
import { IDENTITY_RESPONSES } from './identity-responses.ts';

/** How a refusal is returned to a caller, and explained to a person. */
export type RefusalRow = {
  /** RFC 6749, section 5.2; RFC 9396, section 5. */
  readonly error: TokenErrorResponse['error'];
  readonly status: 400 | 403 | 404 | 405 | 413 | 415 | 429 | 500 | 503;
  readonly description: string;
  readonly remedy: string;
};

/** By stable code. */
export type RefusalTable = Readonly<Record<string, RefusalRow>>;

const buildMalformedRow = (
  status: 400 | 404 | 405 | 413 | 415,
  description: string,
): RefusalRow => ({
  error: 'invalid_request',
  status,
  description,
  remedy:
    'The sidecar never sends such a request. Check the version of the sidecar, and which other clients reach the authority.',
});

const buildDeniedRow = (description: string, remedy: string): RefusalRow => ({
  error: 'access_denied',
  status: 403,
  description,
  remedy,
});

const buildUnavailableRow = (description: string, remedy: string): RefusalRow => ({
  error: 'temporarily_unavailable',
  status: 503,
  description,
  remedy,
});

const buildRateLimitedRow = (description: string): RefusalRow => ({
  error: 'slow_down',
  status: 429,
  description,
  remedy:
    'Wait for the time in Retry-After. If the load is legitimate, raise the limit in the chart (authority.tuning).',
});

/** An invalid request, before the caller is known. */
const REQUEST_REFUSALS = {
  request_malformed: buildMalformedRow(400, 'A field is missing, repeated or malformed.'),
  grant_type_unsupported: {
    ...buildMalformedRow(400, 'The only grant type is token exchange (RFC 8693).'),
    error: 'unsupported_grant_type',
  },
  details_malformed: {
    ...buildMalformedRow(
      400,
      '`authorization_details` is not exactly one task in the expected format.',
    ),
    error: 'invalid_authorization_details',
  },
  route_unknown: buildMalformedRow(404, 'The authority has no such route.'),
  method_not_allowed: buildMalformedRow(405, 'The route does not accept this method.'),
  body_incomplete: buildMalformedRow(400, 'The body is incomplete.'),
  body_too_large: buildMalformedRow(413, 'The body is larger than the route accepts.'),
  content_type_unsupported: buildMalformedRow(
    415,
    'The body is not application/x-www-form-urlencoded, or it is compressed.',
  ),
} as const satisfies RefusalTable;

/** A run that a compliant pod may not start or end. */
const RUN_REFUSALS = {
  task_unknown: {
    error: 'invalid_authorization_details',
    status: 400,
    description: 'The pod was admitted without a task of this name.',
    remedy:
      'Declare the task on the pod (`task.valetkey.dev/<task>`) and recreate the pod: annotations are read only at admission.',
  },
  consumer_not_allowed: buildDeniedRow(
    'The task does not list this consumer among its containers.',
    'Add the container to `containers` of the task, or request the run from a listed container.',
  ),
  params_invalid: {
    error: 'invalid_authorization_details',
    status: 400,
    description: 'A param is missing, undeclared, or does not match its declared pattern.',
    remedy: 'Send the params that the task declares; each value must match its whole pattern.',
  },
  revoked: buildDeniedRow(
    'A Revocation names the run, pod, task, service account or namespace, or revokes everything.',
    '`kubectl get revocations` shows the Revocation, its author and its reason; delete it to allow runs again.',
  ),
  policy_denied: buildDeniedRow(
    'No TaskPolicy permits the run, or one forbids it.',
    'The message names the policies that decided. `kubectl valetkey explain POD -n NAMESPACE` shows what they evaluate.',
  ),
  call_denied: buildDeniedRow(
    'A TaskPolicy forbids the call.',
    'The message names the policies that decided.',
  ),
  call_needs_sign: buildDeniedRow(
    'Policy decides about single calls of the run, and nothing can enforce that with `delivery: vend`.',
    'Use `delivery: sign`, or exempt the workload from the policies in the message.',
  ),
  sidecar_too_old: buildDeniedRow(
    'Policy decides about single calls of the run, and the sidecar of the pod cannot enforce that.',
    'Recreate the pod, so that it gets the current sidecar.',
  ),
  ticket_too_large: buildDeniedRow(
    'Policy decides about single calls of the run, and its task and params are too large for a ticket.',
    'Declare fewer or shorter resources and actions, or split the task in two.',
  ),
  ticket_invalid: buildMalformedRow(
    400,
    'The ticket of the run is malformed, changed, or past its deadline.',
  ),
  ticket_foreign: buildDeniedRow(
    'The ticket belongs to another pod, or the request comes from another address.',
    'The sidecar never sends such a request: possible tampering, investigate the sender.',
  ),
  run_not_owned: buildDeniedRow(
    'The run does not belong to the pod that requests its end or reports its calls, or does not exist.',
    'A sidecar can end and report only its own runs. To end a run of another pod, create a Revocation.',
  ),
} as const satisfies RefusalTable;

/** A run that people have to approve. */
const APPROVAL_REFUSALS = {
  approval_pending: buildDeniedRow(
    'A policy asks people before it allows the run or the call, and they have not approved it yet.',
    'The message names the request: `kubectl valetkey approve -n NAMESPACE NAME`. The same request again collects the answer.',
  ),
  approval_denied: buildDeniedRow(
    'A person denied this exact request. It stays denied until the request expires.',
    'The Approval names who denied it, and why: `kubectl valetkey requests -n NAMESPACE`.',
  ),
  approval_expired: buildDeniedRow(
    'No one approved the request in time.',
    'The same request asks people again. `authority.approvals.lifetime` is the time that people have.',
  ),
  approval_used: buildDeniedRow(
    'The approval was used by another attempt: it allows one run, or one call.',
    'The same request asks people again.',
  ),
  approval_needs_hash: buildDeniedRow(
    'A policy asks people about the call, and its body is too large to be read before it is passed on.',
    'Send a body of at most 8 MiB, or with its SHA-256 in `x-amz-content-sha256`.',
  ),
  approval_policy_changed: buildDeniedRow(
    'A policy that asked has changed since, so that what people approved counts no more.',
    'The same request asks people again.',
  ),
  approval_separation: buildDeniedRow(
    "Only the agent's own user approved the request, or this user has no known name in Kubernetes.",
    'Another person must approve. If the name is not known, see `kubernetesName` in `authority.users.issuers`.',
  ),
  emergency_unreviewed: buildDeniedRow(
    'A person decided alone in an emergency of this group, and no one else has reviewed that yet.',
    'Another person reviews it: the message has the command `kubectl valetkey review`.',
  ),
  too_many_approvals: {
    ...buildRateLimitedRow('The pod or its namespace asks people too often.'),
    remedy: 'Wait for the time in Retry-After, or let people decide about open requests.',
  },
  approval_cooldown: {
    ...buildRateLimitedRow('People denied three requests of the pod within an hour.'),
    remedy: 'Wait for the time in Retry-After. Find out why the agent asks for what is denied.',
  },
  approvals_unavailable: buildUnavailableRow(
    'The API server does not answer about approvals, so nothing is asked or used.',
    'Check the API server, and the permissions of the authority on ApprovalRequests, Approvals and Leases.',
  ),
} as const satisfies RefusalTable;

/** A run that another run delegates. */
const DELEGATION_REFUSALS = {
  delegation_malformed: buildMalformedRow(
    400,
    'The scope of a delegation is not a list of actions and resources without params.',
  ),
  delegation_invalid: buildMalformedRow(
    400,
    'The handle was not minted by this authority, or was changed.',
  ),
  delegation_required: buildDeniedRow(
    'The task declares `delegated: required`, and the request has no handle.',
    'Let another agent delegate the run, or declare `delegated: allowed`.',
  ),
  delegation_refused: buildDeniedRow(
    'The task refuses delegation, has another role than the run that delegates, or would vend keys where that run signs.',
    'The message states what was expected. `authority.delegableRoles` lists roles that runs of other roles may delegate to.',
  ),
  delegation_foreign: buildDeniedRow(
    'The handle was minted for another service account, task or value of a param.',
    'Name the workload that uses the handle in `audience`. If no agent made a mistake, a handle was stolen: investigate the pod.',
  ),
  delegation_outside: buildDeniedRow(
    'The run would be allowed more than the run that delegates, or more than its own pod declares.',
    'The message names the first action and resource. Delegate less, or declare narrower resources; docs/delegation.md states how scopes are compared.',
  ),
  delegation_too_deep: buildDeniedRow(
    'Three runs are above the run that delegates.',
    'Start a part of the work from a run of its own instead of by delegation.',
  ),
  delegation_expired: buildDeniedRow(
    'The handle is older than 60 seconds, or the run that delegates ends too soon.',
    'Use a handle at once. Delegate while the run lasts for at least half a minute more.',
  ),
  delegation_used: buildDeniedRow(
    'The handle was used before: it starts one run.',
    'Mint another handle. If no agent used it, it was stolen: investigate both pods.',
  ),
  delegation_too_large: buildDeniedRow(
    'The scope of the run is too large for a handle.',
    'Name a part of it in `allow`, or declare fewer or shorter resources and actions.',
  ),
  delegations_unavailable: buildUnavailableRow(
    'The API server does not answer, so whether the handle was used is not known.',
    'Check the API server, and the permissions of the authority on Leases.',
  ),
} as const satisfies RefusalTable;

/** A right that an agent proposes to people. */
const PROPOSAL_REFUSALS = {
  proposal_invalid: buildDeniedRow(
    'No task could declare what is proposed, or what it issues outlives the run.',
    'The message names the action or the resource. People may still declare more than an agent may propose.',
  ),
  proposal_needless: buildDeniedRow(
    'The task declares what is proposed, and policy permits it.',
    'Start a run whose params have other values. If the policy is new, start a new run.',
  ),
  too_many_proposals: {
    ...buildRateLimitedRow('The pod has 5 open proposals, or its namespace has 20.'),
    remedy: 'Wait for the time in Retry-After, or delete proposals: `kubectl valetkey proposals`.',
  },
  proposals_unavailable: buildUnavailableRow(
    'The API server does not answer about TaskProposals.',
    'Check the API server, and the permissions of the authority on TaskProposals.',
  ),
} as const satisfies RefusalTable;

/** A grant that cannot be built. */
const GRANT_REFUSALS = {
  subject_too_long: buildDeniedRow(
    'The SPIFFE ID of the task is longer than 255 characters.',
    'Shorten the namespace, the service account, the task or the trust domain.',
  ),
  param_untaggable: buildDeniedRow(
    'The platform maps a param to a session tag, and the value has characters that tags do not allow.',
    'Send another value, narrow its pattern, or remove the param from `authority.tagParams`.',
  ),
} as const satisfies RefusalTable;

/** A refusal by the cloud, or no response from it. */
const CLOUD_REFUSALS = {
  AccessDenied: buildDeniedRow(
    "The role's trust policy does not accept the authority's grants for this workload.",
    '`kubectl valetkey trust-policy` prints the trust policy that the role needs.',
  ),
  MalformedPolicyDocument: buildDeniedRow(
    'The cloud cannot parse the session policy.',
    'Check `cloud.dialect`; `kubectl valetkey explain POD -n NAMESPACE` prints the session policy.',
  ),
  PackedPolicyTooLarge: buildDeniedRow(
    'Session policy and tags exceed the packed size limit of STS.',
    'Declare fewer or shorter resources and actions, or split the task in two.',
  ),
  IDPRejectedClaim: buildDeniedRow(
    'The identity provider rejected the grant.',
    'Check the audience and the claims that the identity provider requires.',
  ),
  InvalidIdentityToken: buildDeniedRow(
    'The cloud does not accept the grant.',
    'Check the issuer, audience and keys of the identity provider in the cloud: they must be those of the authority.',
  ),
  ExpiredToken: buildDeniedRow(
    'The cloud considers the grant expired.',
    'Synchronize the clocks of the authority and of a private cloud.',
  ),
  RegionDisabled: buildDeniedRow(
    'STS is not activated in this region for the account.',
    'Activate STS there, or set another `cloud.region`.',
  ),
  ValidationError: buildDeniedRow(
    'The cloud rejected the request as invalid.',
    'Usually the lifetime exceeds the maximum session duration of the role.',
  ),
  clock_skew: buildDeniedRow(
    'The clocks of the cloud and the authority differ by more than 30 s.',
    'Synchronize the clocks: both enforce deadlines.',
  ),
  cloud_refused: buildDeniedRow(
    'The cloud refused with an unknown error code.',
    'The message contains the response of the cloud.',
  ),
  cloud_unavailable: buildUnavailableRow(
    'The cloud was unreachable, throttled the request, or failed.',
    'The sidecar retries. Check `cloud.stsEndpoint`, `cloud.httpsProxy` and the network policies of the authority.',
  ),
} as const satisfies RefusalTable;

/** A secret of an Upstream that a run does not get. */
const UPSTREAM_REFUSALS = {
  upstream_unknown: buildDeniedRow(
    'No Upstream has the name in `role` of the task, or the task names URLs outside it.',
    '`kubectl get upstreams` lists them. An Upstream may have changed after the pod was admitted.',
  ),
  upstreams_unavailable: buildUnavailableRow(
    'The Upstreams are not loaded, or stale.',
    'Check the API server, and the permission of the authority to watch Upstreams.',
  ),
  secret_unavailable: buildUnavailableRow(
    'The source of the Upstream has no secret now, or does not answer.',
    'The message names the Upstream; `kubectl get upstreams` shows its conditions. Check the Secret in `authority.secrets.namespace`, the server of the source, and `networkPolicies.authority.upstreams`.',
  ),
  secret_origin_mismatch: buildDeniedRow(
    'The Secret does not allow the origin of the Upstream.',
    'The owner of the Secret lists its origins in the annotation `valetkey.dev/origins`.',
  ),
  secret_invalid: buildDeniedRow(
    'What the source holds cannot be presented in a header.',
    'Expected 16 bytes to 16 KiB of visible ASCII characters, without a line break at the end.',
  ),
  database_unavailable: buildUnavailableRow(
    'The database server of the Upstream does not answer, or does not let the authority create a role.',
    'The message names the server and what it answered. Check the admin role that the Upstream names, and the network policies of the authority.',
  ),
  template_role_refused: buildDeniedRow(
    'The template role of the task is not one that runs may have.',
    'The message says what is expected of the role. The Upstream lists the template roles in `postgres.templates`.',
  ),
  provider_refused: buildDeniedRow(
    'The source of the secret refused the authority.',
    'The message names the Upstream and the source. Check what it trusts: issuer, audience and subject of the grant, or the key of the client (docs/upstreams.md).',
  ),
} as const satisfies RefusalTable;

/** The authority cannot decide; without a decision nothing is issued. */
const AUTHORITY_REFUSALS = {
  rate_limited_peer: buildRateLimitedRow('Too many requests from one address.'),
  rate_limited_pod: buildRateLimitedRow('Too many requests from one pod.'),
  rate_limited_service_account: buildRateLimitedRow(
    'Too many requests from the pods of one service account.',
  ),
  rate_limited_namespace: buildRateLimitedRow('Too many requests from the pods of one namespace.'),
  rate_limited_audit: buildRateLimitedRow(
    'The pods of the namespace caused more audit records than its budget allows.',
  ),
  overloaded: buildUnavailableRow(
    'The maximum number of token verifications or open event streams is reached.',
    'The sidecar retries. If the condition persists, add replicas.',
  ),
  draining: buildUnavailableRow(
    'This replica is shutting down.',
    'The sidecar retries at another replica.',
  ),
  starting: buildUnavailableRow(
    'This replica has not loaded its data yet.',
    'The sidecar retries.',
  ),
  policy_unavailable: buildUnavailableRow(
    'The policies are not loaded, or stale.',
    'Check the API server, and the permission of the authority to watch TaskPolicies.',
  ),
  revocations_unavailable: buildUnavailableRow(
    'The revocations are not loaded, or stale.',
    'Check the API server, and the permission of the authority to watch Revocations.',
  ),
  signing_keys_stale: buildUnavailableRow(
    'No key may sign a grant: the signing keys are not loaded, or stale.',
    'Check the API server, and the Secret with the signing keys.',
  ),
  audit_unavailable: buildUnavailableRow(
    'The audit record could not be written, so nothing is issued.',
    "Check the replica's log: its volume is full or fails, or its audit head cannot be published.",
  ),
  internal_error: {
    error: 'server_error',
    status: 500,
    description: 'The authority failed unexpectedly.',
    remedy: 'Find the log line of the authority with the ID in the message, and report it.',
  },
} as const satisfies RefusalTable;

/** Every code of the token exchange itself. */
const OWN_REFUSALS = {
  ...REQUEST_REFUSALS,
  ...RUN_REFUSALS,
  ...APPROVAL_REFUSALS,
  ...PROPOSAL_REFUSALS,
  ...DELEGATION_REFUSALS,
  ...GRANT_REFUSALS,
  ...CLOUD_REFUSALS,
  ...UPSTREAM_REFUSALS,
  ...AUTHORITY_REFUSALS,
} as const satisfies RefusalTable;

export type RequestErrorCode = keyof typeof OWN_REFUSALS;

const buildIdentityRows = (): RefusalTable => {
  const rows = Object.entries(IDENTITY_REFUSALS) as [IdentityCode, Explanation][];
  return Object.fromEntries(
    rows.map(([code, explanation]) => [code, { ...IDENTITY_RESPONSES[code], ...explanation }]),
  );
};

/** Codes that an ExchangeError may have; a cloud cannot choose any other code of this table. */
export const EXCHANGE_REFUSALS: RefusalTable = {
  ...GRANT_REFUSALS,
  ...CLOUD_REFUSALS,
  signing_keys_stale: AUTHORITY_REFUSALS.signing_keys_stale,
};

/** Every refusal, as it is returned and as docs/refusals.md explains it. */
export const REFUSALS: RefusalTable = { ...buildIdentityRows(), ...OWN_REFUSALS };
