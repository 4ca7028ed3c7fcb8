import { IdentityError } from './workload.ts';

/** What a code means, and what to do about it. */
export type Explanation = { readonly description: string; readonly remedy: string };

/** What each code of an {@link IdentityError} means, and what to do about it. */
export const IDENTITY_REFUSALS = {
  token_malformed: {
    description: "The pod's token is not a signed JWT, or is longer than 16 KiB.",
    remedy: 'Send the content of the token file unchanged.',
  },
  token_algorithm: {
    description: "The pod's token names an algorithm that API servers do not sign with.",
    remedy: 'Possible tampering: investigate the sender.',
  },
  token_key_unknown: {
    description: "The pod's token names a key that the cluster does not publish.",
    remedy: 'Check that the sidecar and the authority belong to the same cluster.',
  },
  token_signature: {
    description: "The signature of the pod's token is invalid.",
    remedy: 'Possible tampering: investigate the sender.',
  },
  token_issuer: {
    description: "The pod's token was issued by another issuer than this cluster.",
    remedy:
      "Check the API server's --service-account-issuer; restart the authority after changing it.",
  },
  token_audience: {
    description: "The pod's token is not for the authority, or not for the authority alone.",
    remedy: 'Use the token of the injected volume; its audience is sidecar.audience.',
  },
  token_expired: {
    description: "The pod's token has expired.",
    remedy:
      'The kubelet renews it: check the clocks of the node and the authority, and the kubelet.',
  },
  token_not_yet_valid: {
    description: "The pod's token is not valid until more than 30 seconds from now.",
    remedy: 'Check the clocks of the API server and the authority.',
  },
  token_lifetime: {
    description: "The pod's token has a longer lifetime than those of the injected volume.",
    remedy: 'Use the token of the injected volume; investigate who requested another one.',
  },
  token_claims: {
    description:
      "The pod's token is not bound to a pod and a service account, or its claims contradict each other.",
    remedy: 'Use the token of a projected volume, not that of a Secret.',
  },
  pod_not_found: {
    description: 'The pod that the token is bound to does not exist.',
    remedy: 'Nothing if the pod was deleted; otherwise investigate who kept its token.',
  },
  pod_replaced: {
    description: 'A pod of this name exists, but the token is bound to another UID.',
    remedy: 'Nothing right after a pod was replaced; otherwise investigate who kept its token.',
  },
  pod_terminating: {
    description: 'The pod is being deleted and cannot start another run.',
    remedy: 'Finish with the current credentials, or start the work in another pod.',
  },
  pod_ended: {
    description: 'The pod has succeeded or failed and cannot start another run.',
    remedy: 'Start the work in another pod.',
  },
  pod_service_account: {
    description: 'The pod runs as another service account than its token states.',
    remedy: 'Possible tampering: investigate who issued the token.',
  },
  pod_node: {
    description: 'The pod runs on another node than its token states.',
    remedy: 'Possible tampering: investigate who issued the token.',
  },
  pod_address: {
    description: "The pod's token was sent from an address that does not belong to the pod.",
    remedy:
      'Investigate who copied the token; check that the network preserves the source address of pods.',
  },
  token_review_denied: {
    description: "The API server does not accept the pod's token.",
    remedy: 'Check that the pod and the service account still exist; then restart the pod.',
  },
  token_review_audience: {
    description: "The API server did not confirm that the pod's token is for the authority.",
    remedy: 'Check --api-audiences, and any authentication webhook of the API server.',
  },
  token_review_identity: {
    description: "The API server's review names another pod or service account than the token.",
    remedy: 'Check any authentication webhook of the API server.',
  },
  namespace_not_found: {
    description: "The pod's namespace does not exist.",
    remedy: 'Nothing if it was deleted.',
  },
  pod_noncompliant: {
    description:
      'The running pod breaks a rule that admission enforces; the message names each violation.',
    remedy: 'Recreate the pod with the webhook in place, without the named violations.',
  },
  tasks_invalid: {
    description: "The platform would not admit the sidecar's tasks today.",
    remedy: 'Recreate the pod; if a task is rejected, the message states why.',
  },
  pod_address_unknown: {
    description: "The API server does not know the pod's address yet.",
    remedy: 'Retry: the kubelet reports the address within seconds of the start.',
  },
  keys_unavailable: {
    description: "The cluster's keys could not be fetched from the API server.",
    remedy: 'Check the API server, and the role system:service-account-issuer-discovery.',
  },
  kubernetes_unavailable: {
    description: 'The API server did not respond, or did not respond about this pod.',
    remedy: "Check the API server and the authority's permissions; retry.",
  },
  user_token_malformed: {
    description: "The user's token is not a signed JWT, or is longer than 16 KiB.",
    remedy: 'Send an ID token unchanged, as the issuer returned it.',
  },
  user_token_algorithm: {
    description: "The user's token names an algorithm that is not accepted.",
    remedy:
      'Configure the issuer to sign ID tokens with RS256, PS256, ES256, their longer variants, or EdDSA.',
  },
  user_token_key_unknown: {
    description: "The user's token names a key that its issuer does not publish.",
    remedy: "Check the issuer's jwksUri.",
  },
  user_token_signature: {
    description: "The signature of the user's token is invalid.",
    remedy: 'Possible tampering: investigate the sender.',
  },
  user_token_issuer: {
    description: "The user's token is from an issuer that the platform does not list.",
    remedy: 'List the issuer under authority.users.issuers, exactly as its tokens write it.',
  },
  user_token_audience: {
    description: "The user's token is not for the authority, or not for the authority alone.",
    remedy: 'Request a token whose only audience is the one listed for the issuer.',
  },
  user_token_expired: {
    description: "The user's token has expired.",
    remedy: 'Ask the user to sign in again.',
  },
  user_token_not_yet_valid: {
    description: "The user's token is not valid until more than 30 seconds from now.",
    remedy: 'Check the clocks of the issuer and the authority.',
  },
  user_token_lifetime: {
    description: "The user's token has a longer lifetime than the platform accepts.",
    remedy:
      'Configure the issuer to issue shorter-lived tokens, or raise authority.users.maxTokenLifetime.',
  },
  user_token_claims: {
    description: "The user's token lacks a required claim, or is not an ID token.",
    remedy: 'Send an ID token with iss, sub, aud, exp and iat.',
  },
  user_token_replayed: {
    description: "The user's token was used before; each token is valid for one run.",
    remedy: 'Get a new ID token for each run.',
  },
  user_keys_unavailable: {
    description: "The keys of the user's issuer could not be fetched.",
    remedy: "Check the issuer's jwksUri and caBundle, and the network path to it.",
  },
} as const satisfies Readonly<Record<string, Explanation>>;

export type IdentityCode = keyof typeof IDENTITY_REFUSALS;

/** The error for a caller that is refused. */
export const newRefusedError = (
  code: IdentityCode,
  message: string,
  options: { cause?: unknown; signedClaims?: object } = {},
): IdentityError => new IdentityError('refused', code, message, options);

/** The error for a question that could not be answered; a retry may succeed. */
export const newUnavailableError = (
  code: IdentityCode,
  message: string,
  options: { cause?: unknown } = {},
): IdentityError => new IdentityError('unavailable', code, message, options);
