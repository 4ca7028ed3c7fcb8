import type { Recorder } from '../audit/record.ts';
import { JWT_TYPE, type RunEnd } from '../contract/authority.ts';
import { object, oneOf, string } from '../reading/reader.ts';
import type { Call, Claimant, VerifyToken } from './caller.ts';
import { oneWordOf, readForm, token } from './form.ts';
import { actorOf } from './known.ts';
import { IssuingError, malformedBy } from './refusal.ts';

export type EndParts = {
  readonly verify: VerifyToken;
  readonly admit: (claimant: Claimant) => void;
  /** Whether the run was issued to the pod with this UID. */
  readonly belongsTo: (run: string, podUid: string) => boolean;
  /** @throws AuditError */
  readonly record: Recorder;
  /** Has the session denied at the cloud, where its role opts in. @throws IdentityError */
  readonly tellEnded: (ended: EndedRun) => Promise<void>;
  readonly now: () => number;
};

/** What is known of a request to end a run, wherever it ends itself. */
export type KnownEnd = { claimant?: Claimant | undefined; run?: string | undefined };

export type EndedRun = { readonly run: string; readonly end: RunEnd; readonly claimant: Claimant };

const FIELDS = {
  token: string({ expected: 'the id of a run', pattern: /^[A-Za-z0-9_-]{1,64}$/ }),
  subject_token: token,
  subject_token_type: { optional: oneWordOf([JWT_TYPE]) },
  reason: oneOf(['completed', 'superseded', 'terminated']),
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
  known: KnownEnd,
  parts: EndParts,
): Promise<EndedRun> => {
  const request = readForm(form, { names: Object.keys(FIELDS), reader: fields });
  if (!request.ok) throw malformedBy('request_malformed', request.faults);
  const { token: run, subject_token: podToken, reason: end } = request.value;
  known.run = run;
  const { claimant } = await parts.verify(podToken, peer);
  known.claimant = claimant;
  parts.admit(claimant);
  if (!parts.belongsTo(run, claimant.pod.uid)) {
    throw new IssuingError('run_foreign', `token: expected a run of pod ${claimant.pod.name}`);
  }
  const actor = actorOf(claimant);
  await parts.record({ kind: 'run.ended', at: parts.now(), actor, run, reason: end });
  const ended = { run, end, claimant };
  await parts.tellEnded(ended);
  return ended;
};
