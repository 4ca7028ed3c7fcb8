import type { TokenErrorAnswer } from '../contract/authority.ts';
import { IDENTITY_REFUSALS } from '../identity/refusals.ts';

/** What a refusal is to a caller, and to the person who reads of it. */
export type RefusalRow = {
  /** RFC 6749, section 5.2; RFC 9396, section 5. */
  readonly error: TokenErrorAnswer['error'];
  readonly status: 400 | 403 | 404 | 405 | 413 | 415 | 429 | 500 | 503;
  readonly means: string;
  readonly do: string;
};

/** By stable code. */
export type RefusalTable = Readonly<Record<string, RefusalRow>>;

const malformed = (status: 400 | 404 | 405 | 413 | 415, means: string): RefusalRow => ({
  error: 'invalid_request',
  status,
  means,
  do: 'A sidecar of ours sends no such request. Look at the version of the sidecar, and at what else reaches the authority.',
});

const denied = (means: string, todo: string): RefusalRow => ({
  error: 'access_denied',
  status: 403,
  means,
  do: todo,
});

const later = (means: string, todo: string): RefusalRow => ({
  error: 'temporarily_unavailable',
  status: 503,
  means,
  do: todo,
});

const flooded = (means: string): RefusalRow => ({
  error: 'slow_down',
  status: 429,
  means,
  do: 'Wait for as long as Retry-After says. Where the load is honest, raise the limit in the chart (authority.tuning).',
});

/** What the request itself got wrong, before anybody is known. */
const OF_REQUESTS = {
  request_malformed: malformed(400, 'A field is missing, given twice or of the wrong form.'),
  grant_type_unsupported: {
    ...malformed(400, 'The only grant type is token exchange (RFC 8693).'),
    error: 'unsupported_grant_type',
  },
  details_malformed: {
    ...malformed(400, '`authorization_details` is not exactly one task in the form that we know.'),
    error: 'invalid_authorization_details',
  },
  no_such_route: malformed(404, 'The authority has no such route.'),
  method_not_allowed: malformed(405, 'The route exists, for another method.'),
  body_incomplete: malformed(400, 'The body broke off.'),
  body_too_large: malformed(413, 'The body is over the limit of its route.'),
  content_type_unsupported: malformed(
    415,
    'The body is not application/x-www-form-urlencoded, or it is compressed.',
  ),
} as const satisfies RefusalTable;

/** What a pod that keeps every rule may still not do. */
const OF_RUNS = {
  task_unknown: {
    error: 'invalid_authorization_details',
    status: 400,
    means: 'The pod was admitted without a task of this name.',
    do: 'Declare it on the pod (`task.valetkey.dev/<task>`) and create the pod anew: nothing re-reads annotations.',
  },
  consumer_not_allowed: denied(
    'The consumer that asks is not among the containers of the task.',
    'Name it in `containers` of the task, or let a container ask that is named there.',
  ),
  params_invalid: {
    error: 'invalid_authorization_details',
    status: 400,
    means: 'A param is missing, undeclared, or does not match its declared pattern.',
    do: 'Send what the task declares in `params`, each value matching its whole pattern.',
  },
  revoked: denied(
    'A Revocation names the run, pod, task, service account or namespace, or all.',
    '`kubectl get revocations` says which, by whom and why; delete it to allow runs again.',
  ),
  policy_denied: denied(
    'No TaskPolicy permits the run, or one forbids it.',
    'The message names the policies that decided. `kubectl valetkey explain POD` says what they look at.',
  ),
  run_foreign: denied(
    'The run does not belong to the pod that would end it, or is no run.',
    'A sidecar ends its own runs only. To end the run of another pod, create a Revocation.',
  ),
} as const satisfies RefusalTable;

/** What keeps a grant from being written. */
const OF_GRANTS = {
  subject_too_long: denied(
    'The SPIFFE id of the task is over 255 characters.',
    'Shorten the namespace, the service account, the task or the trust domain.',
  ),
  param_untaggable: denied(
    'The platform makes a session tag of a param, and this value holds what no tag may hold.',
    'Send another value, narrow its pattern, or take the param out of `authority.tagParams`.',
  ),
} as const satisfies RefusalTable;

/** What the cloud answered, or did not. */
const OF_CLOUDS = {
  AccessDenied: denied(
    "The role's trust policy does not accept the authority's grants for this workload.",
    '`kubectl valetkey trust-policy` prints what the role has to trust.',
  ),
  MalformedPolicyDocument: denied(
    'The cloud does not understand the session policy.',
    'Look at `cloud.dialect`; `kubectl valetkey explain POD` prints the session policy.',
  ),
  PackedPolicyTooLarge: denied(
    'Session policy and tags are too large once packed.',
    'Declare fewer or shorter resources and actions, or split the task in two.',
  ),
  IDPRejectedClaim: denied(
    'The identity provider rejected the grant.',
    'Look at the audience and the claims that the provider asks for.',
  ),
  InvalidIdentityToken: denied(
    'The cloud does not accept the grant.',
    'Look at the issuer, audience and keys of the identity provider: they are those of the authority, as the cloud sees them.',
  ),
  ExpiredToken: denied(
    'The cloud holds the grant to be expired.',
    "Set the clocks right: the authority's, and that of a private cloud.",
  ),
  RegionDisabled: denied(
    'STS is not activated in this region for the account.',
    'Activate it, or set another `cloud.region`.',
  ),
  ValidationError: denied(
    'The cloud refused the request.',
    'A lifetime over the maximum session duration of the role is the usual cause.',
  ),
  clock_skew: denied(
    "The cloud's clock and the authority's differ by more than 30 s.",
    'Set them right: deadlines hold by both.',
  ),
  cloud_refused: denied(
    'The cloud refused, with a code that we do not know.',
    'The message says what the cloud said.',
  ),
  cloud_unavailable: later(
    'The cloud could not be reached, throttled, or failed.',
    'It is tried again by itself. Look at `cloud.stsEndpoint`, `cloud.httpsProxy` and network policies of the authority.',
  ),
} as const satisfies RefusalTable;

/** What keeps the authority itself from an answer. Not knowing means no. */
const OF_THE_AUTHORITY = {
  flood_peer: flooded('Too many requests from one address.'),
  flood_pod: flooded('Too many requests of one pod.'),
  flood_service_account: flooded('Too many requests of the pods of one service account.'),
  flood_namespace: flooded('Too many requests of the pods of one namespace.'),
  overloaded: later(
    'As many tokens are being verified, or as many streams are open, as may be at once.',
    'It is tried again by itself. Where it stays so, add replicas.',
  ),
  draining: later('This replica ends.', 'It is tried again by itself, at another replica.'),
  starting: later('This replica does not know enough yet.', 'It is tried again by itself.'),
  policy_unavailable: later(
    'The policies are not known, or for too long unheard of.',
    'Look at the API server, and at the rights of the authority to watch TaskPolicies.',
  ),
  revocations_unavailable: later(
    'The revocations are not known, or for too long unheard of.',
    'Look at the API server, and at the rights of the authority to watch Revocations.',
  ),
  keys_stale: later(
    'There is no key that may sign a grant: they were not read, or too long ago.',
    'Look at the API server, and at the Secret with the keys of grants.',
  ),
  audit_unavailable: later(
    'The record could not be kept, so nothing is issued.',
    "Look at the replica's volume: it is full, or it fails.",
  ),
  internal_error: {
    error: 'server_error',
    status: 500,
    means: 'A bug of ours.',
    do: 'The message names an id; the line in the log of the authority with that id says where.',
  },
} as const satisfies RefusalTable;

/** Every code of the token exchange itself. */
const ISSUING_REFUSALS = {
  ...OF_REQUESTS,
  ...OF_RUNS,
  ...OF_GRANTS,
  ...OF_CLOUDS,
  ...OF_THE_AUTHORITY,
} as const satisfies RefusalTable;

export type IssuingCode = keyof typeof ISSUING_REFUSALS;

/** RFC 6749: a token that does not hold is an invalid grant; whom it names may be refused all the same. */
const natureOf = (code: string): Pick<RefusalRow, 'error' | 'status'> => {
  if (/_(unavailable|unknown)$/.test(code) && !code.endsWith('_key_unknown')) {
    return { error: 'temporarily_unavailable', status: 503 };
  }
  return /^(user_)?token_/.test(code)
    ? { error: 'invalid_grant', status: 400 }
    : { error: 'access_denied', status: 403 };
};

const OF_IDENTITY: RefusalTable = Object.fromEntries(
  Object.entries(IDENTITY_REFUSALS).map(([code, row]) => [code, { ...natureOf(code), ...row }]),
);

/** What an ExchangeError may be answered as: no cloud chooses among our other codes. */
export const EXCHANGE_REFUSALS: RefusalTable = {
  ...OF_GRANTS,
  ...OF_CLOUDS,
  keys_stale: OF_THE_AUTHORITY.keys_stale,
};

/** Every refusal there is: what is answered, and what people read (docs/refusals.md). */
export const REFUSALS: RefusalTable = { ...OF_IDENTITY, ...ISSUING_REFUSALS };
