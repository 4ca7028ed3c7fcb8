import type { PodTarget } from '../revocation/matching.ts';
import type { Caller, IdentifyWorkload, VerifyPodToken } from './caller.ts';
import { recordRefusedCall, type RefusalRecordDeps } from './exchange-records.ts';

/** The pod that opened an event stream, as its token and the API server state it. */
export type StreamPod = PodTarget & {
  /** `exp` of the token, milliseconds since the epoch: the stream ends at that time. */
  readonly tokenExpiresAt: number;
};

export type StreamAuthenticationDeps = RefusalRecordDeps & {
  readonly verifyPodToken: VerifyPodToken;
  readonly checkRateLimits: (caller: Caller) => void;
  readonly identifyWorkload: IdentifyWorkload;
};

/**
 * Authenticates the pod that opens an event stream, by the checks of a token exchange. A refusal is
 * recorded.
 *
 * @param peer address that sent the token
 * @throws RequestError, IdentityError, AuditError
 */
export const authenticateStream = async (
  token: string,
  peer: string,
  deps: StreamAuthenticationDeps,
): Promise<StreamPod> => {
  const context: { caller?: Caller } = {};
  try {
    const verified = await deps.verifyPodToken(token, peer);
    context.caller = verified.caller;
    deps.checkRateLimits(verified.caller);
    const { namespace, serviceAccount, pod, tokenExpiresAt } =
      await deps.identifyWorkload(verified);
    return { namespace, serviceAccount, pod: pod.name, podUid: pod.uid, tokenExpiresAt };
  } catch (error) {
    throw await recordRefusedCall(error, { kind: 'stream.refused', ...context }, deps);
  }
};
