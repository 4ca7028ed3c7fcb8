import type { Recorder } from '../audit/audit-event.ts';
import { JWT_TYPE, type RunEnd } from '../contract/authority-api.ts';
import { object, stringEnum, string } from '../schema/reader.ts';
import type { Call, Caller, VerifyPodToken } from './caller.ts';
import { redactedEnum, readForm, token } from './form-reader.ts';
import { buildAuditActor } from './exchange-context.ts';
import { IssuingError, newMalformedError } from './token-refusal.ts';

export type RunEndDeps = {
  readonly verifyPodToken: VerifyPodToken;
  readonly checkRateLimits: (claimant: Caller) => void;
  /** Whether the run was issued to the pod with this UID. */
  readonly belongsTo: (run: string, podUid: string) => boolean;
  /** @throws AuditError */
  readonly record: Recorder;
  /** Has the session denied at the cloud, where its role opts in. @throws IdentityError */
  readonly reportRunEnd: (ended: EndedRun) => Promise<void>;
  readonly now: () => number;
};

/** What is known of a request to end a run, wherever it ends itself. */
export type RunEndContext = { caller?: Caller | undefined; run?: string | undefined };

export type EndedRun = { readonly run: string; readonly end: RunEnd; readonly caller: Caller };

const FIELDS = {
  token: string({ expected: 'the id of a run', pattern: /^[A-Za-z0-9_-]{1,64}$/ }),
  subject_token: token,
  subject_token_type: { optional: redactedEnum([JWT_TYPE]) },
  reason: stringEnum(['completed', 'superseded', 'terminated']),
} as const;

const fields = object(FIELDS);

/**
 * A sidecar ends a run of its own (RFC 7009, the run in place of the token). The pod may be
 * terminating, or gone: its token's signature and the run's own proof are enough to end it.
 *
 * @param known filled as things become known
 * @throws IssuingError, IdentityError, AuditError
 */
export const endRun = async (
  { form, peer }: Call,
  known: RunEndContext,
  parts: RunEndDeps,
): Promise<EndedRun> => {
  const request = readForm(form, { names: Object.keys(FIELDS), reader: fields });
  if (!request.ok) throw newMalformedError('request_malformed', request.faults);
  const { token: run, subject_token: podToken, reason: end } = request.value;
  known.run = run;
  const { caller } = await parts.verifyPodToken(podToken, peer);
  known.caller = caller;
  parts.checkRateLimits(caller);
  if (!parts.belongsTo(run, caller.pod.uid)) {
    throw new IssuingError('run_not_owned', `token: expected a run of pod ${caller.pod.name}`);
  }
  const actor = buildAuditActor(caller);
  await parts.record({ kind: 'run.ended', at: parts.now(), actor, run, reason: end });
  const ended = { run, end, caller };
  await parts.reportRunEnd(ended);
  return ended;
};
