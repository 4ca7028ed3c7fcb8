import type { ProjectedClaims } from '../identity/projected-token.ts';
import type { Workload } from '../identity/workload.ts';

/** The pod that a verified token names. Nothing has been looked up yet. */
export type Caller = {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly pod: { readonly name: string; readonly uid: string };
};

/** A pod's token whose signature, issuer, audience, times and bound claims are valid. */
export type VerifiedToken = {
  readonly caller: Caller;
  readonly claims: ProjectedClaims;
  readonly token: string;
  /** Address that sent the token. */
  readonly peer: string;
};

/**
 * Verifies a pod's token without asking the API server about the pod.
 *
 * @param peer address that sent the token
 * @throws IdentityError
 */
export type VerifyPodToken = (token: string, peer: string) => Promise<VerifiedToken>;

/** Looks up the running pod and checks it against every rule. @throws IdentityError */
export type IdentifyWorkload = (verified: VerifiedToken) => Promise<Workload>;

/** A request as it was received: its form, not parsed yet, and the address that sent it. */
export type Call = { readonly form: string; readonly peer: string };
