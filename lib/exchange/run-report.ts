import { string } from '../schema/reader.ts';
import type { Call, Caller, VerifyPodToken } from './caller.ts';
import type { RecordDeps } from './exchange-records.ts';
import { RequestError } from './token-refusal.ts';

/** What every report of a sidecar on one of its runs needs. */
export type RunReportDeps = RecordDeps & {
  readonly verifyPodToken: VerifyPodToken;
  readonly checkRateLimits: (caller: Caller) => void;
  /** Whether the run was issued to the pod with this UID. */
  readonly belongsTo: (run: string, podUid: string) => boolean;
};

/** What is known about a report, at whichever step it ends. */
export type RunReportContext = { caller?: Caller | undefined; run?: string | undefined };

/** Reads the ID of a run. */
export const runId = string({ expected: 'a run ID', pattern: /^[A-Za-z0-9_-]{1,64}$/ });

/**
 * Verifies that a report comes from the run's own sidecar. The pod may be terminating or deleted, so the
 * token's signature and the proof in the run ID suffice.
 *
 * @param report.member member of the form that names the run, for the refusal
 * @param context filled in step by step
 * @throws RequestError, IdentityError
 */
export const verifyRunReport = async (
  {
    run,
    podToken,
    peer,
    member,
  }: { run: string; podToken: string; member: string } & Pick<Call, 'peer'>,
  context: RunReportContext,
  deps: RunReportDeps,
): Promise<Caller> => {
  context.run = run;
  const { caller } = await deps.verifyPodToken(podToken, peer);
  context.caller = caller;
  deps.checkRateLimits(caller);
  if (!deps.belongsTo(run, caller.pod.uid)) {
    throw new RequestError('run_not_owned', `${member}: expected a run of pod ${caller.pod.name}`);
  }
  return caller;
};
