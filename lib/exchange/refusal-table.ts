import type { TokenErrorResponse } from '../contract/authority-api.ts';
import {
  IDENTITY_REFUSALS,
  type Explanation,
  type IdentityCode,
} from '../identity/identity-refusals.ts';
import { IDENTITY_RESPONSES } from './identity-responses.ts';

/** What a refusal is to a caller, and to the person who reads of it. */
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
    'A sidecar of ours sends no such request. Look at the version of the sidecar, and at what else reaches the authority.',
});

const buildDeniedRow = (description: string, todo: string): RefusalRow => ({
  error: 'access_denied',
  status: 403,
  description,
  remedy: todo,
});

const buildUnavailableRow = (description: string, todo: string): RefusalRow => ({
  error: 'temporarily_unavailable',
  status: 503,
  description,
  remedy: todo,
});

const buildRateLimitedRow = (description: string): RefusalRow => ({
  error: 'slow_down',
  status: 429,
  description,
  remedy:
    'Wait for as long as Retry-After says. Where the load is honest, raise the limit in the chart (authority.tuning).',
});

/** What the request itself got wrong, before anybody is known. */
const REQUEST_REFUSALS = {
  request_malformed: buildMalformedRow(
    400,
    'A field is missing, given twice or of the wrong form.',
  ),
  grant_type_unsupported: {
    ...buildMalformedRow(400, 'The only grant type is token exchange (RFC 8693).'),
    error: 'unsupported_grant_type',
  },
  details_malformed: {
    ...buildMalformedRow(
      400,
      '`authorization_details` is not exactly one task in the form that we know.',
    ),
    error: 'invalid_authorization_details',
  },
  route_unknown: buildMalformedRow(404, 'The authority has no such route.'),
  method_not_allowed: buildMalformedRow(405, 'The route exists, for another method.'),
  body_incomplete: buildMalformedRow(400, 'The body broke off.'),
  body_too_large: buildMalformedRow(413, 'The body is over the limit of its route.'),
  content_type_unsupported: buildMalformedRow(
    415,
    'The body is not application/x-www-form-urlencoded, or it is compressed.',
  ),
} as const satisfies RefusalTable;

/** What a pod that keeps every rule may still not do. */
const RUN_REFUSALS = {
  task_unknown: {
    error: 'invalid_authorization_details',
    status: 400,
    description: 'The pod was admitted without a task of this name.',
    remedy:
      'Declare it on the pod (`task.valetkey.dev/<task>`) and create the pod anew: nothing re-reads annotations.',
  },
  consumer_not_allowed: buildDeniedRow(
    'The consumer that asks is not among the containers of the task.',
    'Name it in `containers` of the task, or let a container ask that is named there.',
  ),
  params_invalid: {
    error: 'invalid_authorization_details',
    status: 400,
    description: 'A param is missing, undeclared, or does not match its declared pattern.',
    remedy: 'Send what the task declares in `params`, each value matching its whole pattern.',
  },
  revoked: buildDeniedRow(
    'A Revocation names the run, pod, task, service account or namespace, or all.',
    '`kubectl get revocations` says which, by whom and why; delete it to allow runs again.',
  ),
  policy_denied: buildDeniedRow(
    'No TaskPolicy permits the run, or one forbids it.',
    'The message names the policies that decided. `kubectl valetkey explain POD` says what they look at.',
  ),
  run_not_owned: buildDeniedRow(
    'The run does not belong to the pod that would end it, or is no run.',
    'A sidecar ends its own runs only. To end the run of another pod, create a Revocation.',
  ),
} as const satisfies RefusalTable;

/** What keeps a grant from being written. */
const GRANT_REFUSALS = {
  subject_too_long: buildDeniedRow(
    'The SPIFFE id of the task is over 255 characters.',
    'Shorten the namespace, the service account, the task or the trust domain.',
  ),
  param_untaggable: buildDeniedRow(
    'The platform makes a session tag of a param, and this value holds what no tag may hold.',
    'Send another value, narrow its pattern, or take the param out of `authority.tagParams`.',
  ),
} as const satisfies RefusalTable;

/** What the cloud answered, or did not. */
const CLOUD_REFUSALS = {
  AccessDenied: buildDeniedRow(
    "The role's trust policy does not accept the authority's grants for this workload.",
    '`kubectl valetkey trust-policy` prints what the role has to trust.',
  ),
  MalformedPolicyDocument: buildDeniedRow(
    'The cloud does not understand the session policy.',
    'Look at `cloud.dialect`; `kubectl valetkey explain POD` prints the session policy.',
  ),
  PackedPolicyTooLarge: buildDeniedRow(
    'Session policy and tags are too large once packed.',
    'Declare fewer or shorter resources and actions, or split the task in two.',
  ),
  IDPRejectedClaim: buildDeniedRow(
    'The identity provider rejected the grant.',
    'Look at the audience and the claims that the provider asks for.',
  ),
  InvalidIdentityToken: buildDeniedRow(
    'The cloud does not accept the grant.',
    'Look at the issuer, audience and keys of the identity provider: they are those of the authority, as the cloud sees them.',
  ),
  ExpiredToken: buildDeniedRow(
    'The cloud holds the grant to be expired.',
    "Set the clocks right: the authority's, and that of a private cloud.",
  ),
  RegionDisabled: buildDeniedRow(
    'STS is not activated in this region for the account.',
    'Activate it, or set another `cloud.region`.',
  ),
  ValidationError: buildDeniedRow(
    'The cloud refused the request.',
    'A lifetime over the maximum session duration of the role is the usual cause.',
  ),
  clock_skew: buildDeniedRow(
    "The cloud's clock and the authority's differ by more than 30 s.",
    'Set them right: deadlines hold by both.',
  ),
  cloud_refused: buildDeniedRow(
    'The cloud refused, with a code that we do not know.',
    'The message says what the cloud said.',
  ),
  cloud_unavailable: buildUnavailableRow(
    'The cloud could not be reached, throttled, or failed.',
    'It is tried again by itself. Look at `cloud.stsEndpoint`, `cloud.httpsProxy` and network policies of the authority.',
  ),
} as const satisfies RefusalTable;

/** What keeps the authority itself from an answer. Not knowing means no. */
const AUTHORITY_REFUSALS = {
  rate_limited_peer: buildRateLimitedRow('Too many requests from one address.'),
  rate_limited_pod: buildRateLimitedRow('Too many requests of one pod.'),
  rate_limited_service_account: buildRateLimitedRow(
    'Too many requests of the pods of one service account.',
  ),
  rate_limited_namespace: buildRateLimitedRow('Too many requests of the pods of one namespace.'),
  overloaded: buildUnavailableRow(
    'As many tokens are being verified, or as many streams are open, as may be at once.',
    'It is tried again by itself. Where it stays so, add replicas.',
  ),
  draining: buildUnavailableRow(
    'This replica ends.',
    'It is tried again by itself, at another replica.',
  ),
  starting: buildUnavailableRow(
    'This replica does not know enough yet.',
    'It is tried again by itself.',
  ),
  policy_unavailable: buildUnavailableRow(
    'The policies are not known, or for too long unheard of.',
    'Look at the API server, and at the rights of the authority to watch TaskPolicies.',
  ),
  revocations_unavailable: buildUnavailableRow(
    'The revocations are not known, or for too long unheard of.',
    'Look at the API server, and at the rights of the authority to watch Revocations.',
  ),
  signing_keys_stale: buildUnavailableRow(
    'There is no key that may sign a grant: they were not read, or too long ago.',
    'Look at the API server, and at the Secret with the keys of grants.',
  ),
  audit_unavailable: buildUnavailableRow(
    'The record could not be kept, so nothing is issued.',
    "Look at the replica's volume: it is full, or it fails.",
  ),
  internal_error: {
    error: 'server_error',
    status: 500,
    description: 'A bug of ours.',
    remedy:
      'The message names an id; the line in the log of the authority with that id says where.',
  },
} as const satisfies RefusalTable;

/** Every code of the token exchange itself. */
const ISSUING_REFUSALS = {
  ...REQUEST_REFUSALS,
  ...RUN_REFUSALS,
  ...GRANT_REFUSALS,
  ...CLOUD_REFUSALS,
  ...AUTHORITY_REFUSALS,
} as const satisfies RefusalTable;

export type IssuingCode = keyof typeof ISSUING_REFUSALS;

const buildIdentityRows = (): RefusalTable => {
  const rows = Object.entries(IDENTITY_REFUSALS) as [IdentityCode, Explanation][];
  return Object.fromEntries(
    rows.map(([code, explanation]) => [code, { ...IDENTITY_RESPONSES[code], ...explanation }]),
  );
};

/** What an ExchangeError may be answered as: no cloud chooses among our other codes. */
export const EXCHANGE_REFUSALS: RefusalTable = {
  ...GRANT_REFUSALS,
  ...CLOUD_REFUSALS,
  signing_keys_stale: AUTHORITY_REFUSALS.signing_keys_stale,
};

/** Every refusal there is: what is answered, and what people read (docs/refusals.md). */
export const REFUSALS: RefusalTable = { ...buildIdentityRows(), ...ISSUING_REFUSALS };
