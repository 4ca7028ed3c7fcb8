import type { TokenErrorResponse } from '../contract/authority-api.ts';
import type { IdentityCode } from '../identity/identity-refusals.ts';

export type IdentityResponse = {
  readonly error: TokenErrorResponse['error'];
  readonly status: 400 | 403 | 503;
};

/** The token itself is not valid (RFC 6749, section 5.2). */
const invalidGrant: IdentityResponse = { error: 'invalid_grant', status: 400 };
/** The token is valid, and the workload or user that it names is denied. */
const accessDenied: IdentityResponse = { error: 'access_denied', status: 403 };
/** The question could not be answered; the caller may retry. */
const unavailable: IdentityResponse = { error: 'temporarily_unavailable', status: 503 };

/**
 * The OAuth error and the HTTP status of each identity code. Written out, because a status that
 * follows from the spelling of a code changes when the code is renamed.
 */
export const IDENTITY_RESPONSES: Readonly<Record<IdentityCode, IdentityResponse>> = {
  token_malformed: invalidGrant,
  token_algorithm: invalidGrant,
  token_key_unknown: invalidGrant,
  token_signature: invalidGrant,
  token_issuer: invalidGrant,
  token_audience: invalidGrant,
  token_expired: invalidGrant,
  token_not_yet_valid: invalidGrant,
  token_lifetime: invalidGrant,
  token_claims: invalidGrant,
  token_review_denied: invalidGrant,
  token_review_audience: invalidGrant,
  token_review_identity: invalidGrant,
  pod_not_found: accessDenied,
  pod_replaced: accessDenied,
  pod_terminating: accessDenied,
  pod_ended: accessDenied,
  pod_service_account: accessDenied,
  pod_node: accessDenied,
  pod_address: accessDenied,
  namespace_not_found: accessDenied,
  pod_noncompliant: accessDenied,
  tasks_invalid: accessDenied,
  pod_address_unknown: unavailable,
  keys_unavailable: unavailable,
  kubernetes_unavailable: unavailable,
  user_token_malformed: invalidGrant,
  user_token_algorithm: invalidGrant,
  user_token_key_unknown: invalidGrant,
  user_token_signature: invalidGrant,
  user_token_issuer: invalidGrant,
  user_token_audience: invalidGrant,
  user_token_expired: invalidGrant,
  user_token_not_yet_valid: invalidGrant,
  user_token_lifetime: invalidGrant,
  user_token_claims: invalidGrant,
  user_token_replayed: invalidGrant,
  user_keys_unavailable: unavailable,
};
