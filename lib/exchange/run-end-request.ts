import { JWT_TYPE, RUN_ENDS, type RunEnd } from '../contract/authority-api.ts';
import { object, stringEnum, string } from '../schema/reader.ts';
import type { Call, Caller, VerifyPodToken } from './caller.ts';
import { buildAuditActor, type RecordDeps } from './exchange-records.ts';
import { redactedEnum, readForm, token } from './form-reader.ts';
import { RequestError, newMalformedError } from './token-refusal.ts';

export type RunEndDeps = RecordDeps & {
  readonly verifyPodToken: VerifyPodToken;
  readonly checkRateLimits: (caller: Caller) => void;
  /** Whether the run was issued to the pod with this UID. */
  readonly belongsTo: (run: string, podUid: string) => boolean;
  /** Denies the session at the cloud if its role opts in. @throws IdentityError */
  readonly reportRunEnd: (ended: EndedRun) => Promise<void>;
};

/** What is known about a request to end a run, at whichever step it ends. */
export type RunEndContext = { caller?: Caller | undefined; run?: string | undefined };

export type EndedRun = { readonly run: string; readonly end: RunEnd; readonly caller: Caller };

const FIELDS = {
  token: string({ expected: 'a run ID', pattern: /^[A-Za-z0-9_-]{1,64}$/ }),
  subject_token: token,
  subject_token_type: { optional: redactedEnum([JWT_TYPE]) },
  reason: stringEnum(RUN_ENDS),
} as const;

const fields = object(FIELDS);

/**
 * Ends a run at the request of its own sidecar (RFC 7009; the run takes the place of the token). The
 * pod may be terminating or deleted, so the token's signature and the proof in the run ID suffice.
 *
 * @param context filled in step by step
 * @throws RequestError, IdentityError, AuditError
 */
export const endRun = async (
  { form, peer }: Call,
  context: RunEndContext,
  deps: RunEndDeps,
): Promise<EndedRun> => {
  const request = readForm(form, { names: Object.keys(FIELDS), reader: fields });
  if (!request.ok) throw newMalformedError('request_malformed', request.faults);
  const { token: run, subject_token: podToken, reason: end } = request.value;
  context.run = run;
  const { caller } = await deps.verifyPodToken(podToken, peer);
  context.caller = caller;
  deps.checkRateLimits(caller);
  if (!deps.belongsTo(run, caller.pod.uid)) {
    throw new RequestError('run_not_owned', `token: expected a run of pod ${caller.pod.name}`);
  }
  const actor = buildAuditActor(caller);
  await deps.record({ kind: 'run.ended', at: deps.now(), actor, run, reason: end });
  const ended = { run, end, caller };
  await deps.reportRunEnd(ended);
  return ended;
};
