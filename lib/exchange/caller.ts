import type { Workload } from '../identity/workload.ts';

/** The pod that a token names, once its signature holds; nothing was looked up yet. */
export type Caller = {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly pod: { readonly name: string; readonly uid: string };
};

export type VerifiedToken = {
  readonly caller: Caller;
  /** The live pod, held to every rule. @throws IdentityError */
  readonly identifyWorkload: () => Promise<Workload>;
};

/**
 * Holds a pod's token to signature, issuer, audience, times and bound claims.
 *
 * @param peer the address that it was sent from
 * @throws IdentityError
 */
export type VerifyPodToken = (token: string, peer: string) => Promise<VerifiedToken>;

/** A request as it came: its form, not read yet, and the address that it was sent from. */
export type Call = { readonly form: string; readonly peer: string };
