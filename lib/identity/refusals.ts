import { IdentityError } from './workload.ts';

type Explanation = { readonly means: string; readonly do: string };

/** What each code of an {@link IdentityError} means, and what to do about it. */
export const IDENTITY_REFUSALS = {
  token_malformed: {
    means: "The pod's token is no signed JWT, or is longer than 16 KiB.",
    do: 'Send the content of the token file as it stands.',
  },
  token_algorithm: {
    means: "The pod's token names an algorithm that API servers do not sign with.",
    do: 'Nothing makes such a token by accident: look for who sent it.',
  },
  token_key_unknown: {
    means: "The pod's token names a key that the cluster does not publish.",
    do: 'Check that the sidecar and the authority belong to the same cluster.',
  },
  token_signature: {
    means: "The pod's token is not what its issuer signed.",
    do: 'Nothing changes a token by accident: look for who sent it.',
  },
  token_issuer: {
    means: "The pod's token was issued by somebody else than this cluster.",
    do: "Check the API server's --service-account-issuer; restart the authority after changing it.",
  },
  token_audience: {
    means: "The pod's token is not for the authority, or not for the authority alone.",
    do: 'Only the token of the injected volume is accepted; the audience is sidecar.audience.',
  },
  token_expired: {
    means: "The pod's token has ended.",
    do: 'The kubelet renews it: check the clocks of node and authority, and the kubelet.',
  },
  token_not_yet_valid: {
    means: "The pod's token begins more than 30 seconds from now.",
    do: 'Check the clocks of API server and authority.',
  },
  token_lifetime: {
    means: "The pod's token lives longer than those of the injected volume.",
    do: 'Only the token of the injected volume is accepted; nobody should ask for another.',
  },
  token_claims: {
    means: "The pod's token is not bound to a pod and a service account, or contradicts itself.",
    do: 'Only the token of a projected volume is accepted, never that of a Secret.',
  },
  pod_not_found: {
    means: 'The pod that the token is bound to is gone.',
    do: 'Nothing, where the pod was deleted; else look for who kept its token.',
  },
  pod_replaced: {
    means: 'A pod of this name lives, but it is not the one that the token is bound to.',
    do: 'Nothing, right after a pod was replaced; else look for who kept its token.',
  },
  pod_terminating: {
    means: 'The pod is being deleted: it starts no further run.',
    do: 'Finish within the credentials that are held, or start the work in another pod.',
  },
  pod_ended: {
    means: 'The pod has succeeded or failed: it starts no further run.',
    do: 'Start the work in another pod.',
  },
  pod_service_account: {
    means: 'The pod runs as another service account than its token says.',
    do: 'Look for who made the token.',
  },
  pod_node: {
    means: 'The pod runs on another node than its token says.',
    do: 'Look for who made the token.',
  },
  pod_address: {
    means: 'The token of this pod was sent from an address that is not of this pod.',
    do: 'Look for who copied the token; check that the network keeps the source address of pods.',
  },
  token_review_denied: {
    means: "The API server itself does not accept the pod's token.",
    do: 'Check that pod and service account exist still; then restart the pod.',
  },
  token_review_audience: {
    means: "The API server did not confirm that the pod's token is for the authority.",
    do: 'Check --api-audiences, and any webhook that authenticates for the API server.',
  },
  token_review_identity: {
    means: "The API server's review names another pod or service account than the token.",
    do: 'Check any webhook that authenticates for the API server.',
  },
  namespace_not_found: {
    means: 'The namespace of the pod is gone.',
    do: 'Nothing, where it was deleted.',
  },
  rules_broken: {
    means: 'The live pod breaks a rule that admission holds pods to; each breach is named.',
    do: 'Create the pod anew with the webhook in place, without what the breaches name.',
  },
  tasks_refused: {
    means: 'What the sidecar was given is nothing that the platform would admit today.',
    do: 'Create the pod anew; a task that is refused then says why.',
  },
  pod_address_unknown: {
    means: 'The API server does not know yet the address of the pod.',
    do: 'Try again: the kubelet reports it within seconds of the start.',
  },
  keys_unavailable: {
    means: "The cluster's keys could not be fetched from the API server.",
    do: 'Check the API server, and the role system:service-account-issuer-discovery.',
  },
  kubernetes_unavailable: {
    means: 'The API server did not answer, or not with an answer about this pod.',
    do: "Check the API server, and the authority's rights; try again.",
  },
  user_token_malformed: {
    means: "The user's token is no signed JWT, or is longer than 16 KiB.",
    do: 'Send an ID token, as the issuer gave it.',
  },
  user_token_algorithm: {
    means: "The user's token names an algorithm that is not accepted.",
    do: 'Let the issuer sign ID tokens with RS256, PS256, ES256 or EdDSA, or their longer forms.',
  },
  user_token_key_unknown: {
    means: "The user's token names a key that its issuer does not publish.",
    do: "Check the issuer's jwksUri.",
  },
  user_token_signature: {
    means: "The user's token is not what its issuer signed.",
    do: 'Nothing changes a token by accident: look for who sent it.',
  },
  user_token_issuer: {
    means: "The user's token is of an issuer that the platform does not list.",
    do: 'List the issuer under authority.users.issuers, exactly as its tokens write it.',
  },
  user_token_audience: {
    means: "The user's token is not for the authority, or not for the authority alone.",
    do: "Ask the issuer for a token whose only audience is the issuer's listed audience.",
  },
  user_token_expired: {
    means: "The user's token has ended.",
    do: 'Let the user sign in again.',
  },
  user_token_not_yet_valid: {
    means: "The user's token begins more than 30 seconds from now.",
    do: 'Check the clocks of issuer and authority.',
  },
  user_token_lifetime: {
    means: "The user's token lives longer than the platform accepts.",
    do: 'Let the issuer give shorter tokens, or raise authority.users.maxTokenLifetime.',
  },
  user_token_claims: {
    means: "The user's token lacks a claim that it must have, or is no ID token.",
    do: 'Send an ID token with iss, sub, aud, exp and iat.',
  },
  user_token_replayed: {
    means: "The user's token has been used before: each is good for one run.",
    do: 'Get a new ID token for each run.',
  },
  user_keys_unavailable: {
    means: "The keys of the user's issuer could not be fetched.",
    do: "Check the issuer's jwksUri and caBundle, and the network between.",
  },
} as const satisfies Readonly<Record<string, Explanation>>;

export type IdentityCode = keyof typeof IDENTITY_REFUSALS;

/** An answer about the caller: no. */
export const refused = (
  code: IdentityCode,
  message: string,
  options: { cause?: unknown } = {},
): IdentityError => new IdentityError('refused', code, message, options);

/** The lack of an answer. */
export const unavailable = (
  code: IdentityCode,
  message: string,
  options: { cause?: unknown } = {},
): IdentityError => new IdentityError('unavailable', code, message, options);
