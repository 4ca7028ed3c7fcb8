import { IdentityError } from './workload.ts';

/** What a code means, and what to do about it. */
export type Explanation = { readonly description: string; readonly remedy: string };

/** What each code of an {@link IdentityError} means, and what to do about it. */
export const IDENTITY_REFUSALS = {
  token_malformed: {
    description: "The pod's token is no signed JWT, or is longer than 16 KiB.",
    remedy: 'Send the content of the token file as it stands.',
  },
  token_algorithm: {
    description: "The pod's token names an algorithm that API servers do not sign with.",
    remedy: 'Nothing makes such a token by accident: look for who sent it.',
  },
  token_key_unknown: {
    description: "The pod's token names a key that the cluster does not publish.",
    remedy: 'Check that the sidecar and the authority belong to the same cluster.',
  },
  token_signature: {
    description: "The pod's token is not what its issuer signed.",
    remedy: 'Nothing changes a token by accident: look for who sent it.',
  },
  token_issuer: {
    description: "The pod's token was issued by somebody else than this cluster.",
    remedy:
      "Check the API server's --service-account-issuer; restart the authority after changing it.",
  },
  token_audience: {
    description: "The pod's token is not for the authority, or not for the authority alone.",
    remedy: 'Only the token of the injected volume is accepted; the audience is sidecar.audience.',
  },
  token_expired: {
    description: "The pod's token has ended.",
    remedy: 'The kubelet renews it: check the clocks of node and authority, and the kubelet.',
  },
  token_not_yet_valid: {
    description: "The pod's token begins more than 30 seconds from now.",
    remedy: 'Check the clocks of API server and authority.',
  },
  token_lifetime: {
    description: "The pod's token lives longer than those of the injected volume.",
    remedy: 'Only the token of the injected volume is accepted; nobody should ask for another.',
  },
  token_claims: {
    description:
      "The pod's token is not bound to a pod and a service account, or contradicts itself.",
    remedy: 'Only the token of a projected volume is accepted, never that of a Secret.',
  },
  pod_not_found: {
    description: 'The pod that the token is bound to is gone.',
    remedy: 'Nothing, where the pod was deleted; else look for who kept its token.',
  },
  pod_replaced: {
    description: 'A pod of this name lives, but it is not the one that the token is bound to.',
    remedy: 'Nothing, right after a pod was replaced; else look for who kept its token.',
  },
  pod_terminating: {
    description: 'The pod is being deleted: it starts no further run.',
    remedy: 'Finish within the credentials that are held, or start the work in another pod.',
  },
  pod_ended: {
    description: 'The pod has succeeded or failed: it starts no further run.',
    remedy: 'Start the work in another pod.',
  },
  pod_service_account: {
    description: 'The pod runs as another service account than its token says.',
    remedy: 'Look for who made the token.',
  },
  pod_node: {
    description: 'The pod runs on another node than its token says.',
    remedy: 'Look for who made the token.',
  },
  pod_address: {
    description: 'The token of this pod was sent from an address that is not of this pod.',
    remedy:
      'Look for who copied the token; check that the network keeps the source address of pods.',
  },
  token_review_denied: {
    description: "The API server itself does not accept the pod's token.",
    remedy: 'Check that pod and service account exist still; then restart the pod.',
  },
  token_review_audience: {
    description: "The API server did not confirm that the pod's token is for the authority.",
    remedy: 'Check --api-audiences, and any webhook that authenticates for the API server.',
  },
  token_review_identity: {
    description: "The API server's review names another pod or service account than the token.",
    remedy: 'Check any webhook that authenticates for the API server.',
  },
  namespace_not_found: {
    description: 'The namespace of the pod is gone.',
    remedy: 'Nothing, where it was deleted.',
  },
  pod_noncompliant: {
    description: 'The live pod breaks a rule that admission holds pods to; each breach is named.',
    remedy: 'Create the pod anew with the webhook in place, without what the breaches name.',
  },
  tasks_invalid: {
    description: 'What the sidecar was given is nothing that the platform would admit today.',
    remedy: 'Create the pod anew; a task that is refused then says why.',
  },
  pod_address_unknown: {
    description: 'The API server does not know yet the address of the pod.',
    remedy: 'Try again: the kubelet reports it within seconds of the start.',
  },
  keys_unavailable: {
    description: "The cluster's keys could not be fetched from the API server.",
    remedy: 'Check the API server, and the role system:service-account-issuer-discovery.',
  },
  kubernetes_unavailable: {
    description: 'The API server did not answer, or not with an answer about this pod.',
    remedy: "Check the API server, and the authority's rights; try again.",
  },
  user_token_malformed: {
    description: "The user's token is no signed JWT, or is longer than 16 KiB.",
    remedy: 'Send an ID token, as the issuer gave it.',
  },
  user_token_algorithm: {
    description: "The user's token names an algorithm that is not accepted.",
    remedy:
      'Let the issuer sign ID tokens with RS256, PS256, ES256 or EdDSA, or their longer forms.',
  },
  user_token_key_unknown: {
    description: "The user's token names a key that its issuer does not publish.",
    remedy: "Check the issuer's jwksUri.",
  },
  user_token_signature: {
    description: "The user's token is not what its issuer signed.",
    remedy: 'Nothing changes a token by accident: look for who sent it.',
  },
  user_token_issuer: {
    description: "The user's token is of an issuer that the platform does not list.",
    remedy: 'List the issuer under authority.users.issuers, exactly as its tokens write it.',
  },
  user_token_audience: {
    description: "The user's token is not for the authority, or not for the authority alone.",
    remedy: "Ask the issuer for a token whose only audience is the issuer's listed audience.",
  },
  user_token_expired: {
    description: "The user's token has ended.",
    remedy: 'Let the user sign in again.',
  },
  user_token_not_yet_valid: {
    description: "The user's token begins more than 30 seconds from now.",
    remedy: 'Check the clocks of issuer and authority.',
  },
  user_token_lifetime: {
    description: "The user's token lives longer than the platform accepts.",
    remedy: 'Let the issuer give shorter tokens, or raise authority.users.maxTokenLifetime.',
  },
  user_token_claims: {
    description: "The user's token lacks a claim that it must have, or is no ID token.",
    remedy: 'Send an ID token with iss, sub, aud, exp and iat.',
  },
  user_token_replayed: {
    description: "The user's token has been used before: each is good for one run.",
    remedy: 'Get a new ID token for each run.',
  },
  user_keys_unavailable: {
    description: "The keys of the user's issuer could not be fetched.",
    remedy: "Check the issuer's jwksUri and caBundle, and the network between.",
  },
} as const satisfies Readonly<Record<string, Explanation>>;

export type IdentityCode = keyof typeof IDENTITY_REFUSALS;

/** An answer about the caller: no. */
export const newRefusedError = (
  code: IdentityCode,
  message: string,
  options: { cause?: unknown } = {},
): IdentityError => new IdentityError('refused', code, message, options);

/** The lack of an answer. */
export const newUnavailableError = (
  code: IdentityCode,
  message: string,
  options: { cause?: unknown } = {},
): IdentityError => new IdentityError('unavailable', code, message, options);
