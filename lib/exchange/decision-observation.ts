import { createLruCache } from '../async/lru-cache.ts';
import type { AuditEvent, Recorder } from '../audit/audit-event.ts';
import type { Approval, ApprovalRequest } from '../contract/approvals.ts';

/** What every audit record about an asked act has. */
type RecordedAct = Pick<AuditEvent, 'actor' | 'task' | 'params' | 'chain' | 'run'>;

/** Records decisions of people that this replica has not seen before. @throws AuditError */
export type ObserveDecisions = (
  request: ApprovalRequest,
  approvals: readonly Approval[],
  recorded: RecordedAct,
) => Promise<void>;

export type ObservationDeps = {
  readonly record: Recorder;
  readonly onDecided: (decided: {
    /** From the request to the decision about it. */
    readonly waitSeconds: number;
    readonly run: string | undefined;
  }) => void;
  /** Wall-clock milliseconds. */
  readonly now: () => number;
};

const MAX_REMEMBERED = 4096;
/** Of one request. A quorum has at most 9 people. */
const MAX_RECORDED = 32;

/** Creates what observes decisions. Both times are of the API server, so that clocks do not matter. */
export const createDecisionObserver = ({
  record,
  onDecided,
  now,
}: ObservationDeps): ObserveDecisions => {
  const seen = createLruCache<true>(MAX_REMEMBERED);
  return async (request, approvals, recorded) => {
    const own = approvals.filter(({ spec }) => spec.request.uid === request.uid);
    for (const { uid, spec, createdAt } of own.slice(0, MAX_RECORDED)) {
      if (seen.get(uid) === true) continue;
      seen.set(uid, true);
      const waitSeconds = Math.max(0, createdAt - request.createdAt) / 1000;
      onDecided({ waitSeconds, run: recorded.run });
      await record({
        kind: 'approval.observed',
        at: now(),
        ...recorded,
        subject: `${request.namespace}/${request.name}`,
        message: `${spec.decision} for group ${spec.group}, by ${spec.by}`,
      });
    }
  };
};
