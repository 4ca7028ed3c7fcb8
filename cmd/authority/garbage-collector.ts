import type { Recorder } from '../../lib/audit/audit-event.ts';
import type { ApprovalRequest, ApprovalState } from '../../lib/contract/approvals.ts';
import type { Revocation } from '../../lib/contract/authority-api.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import { evaluateCollection } from '../../lib/revocation/garbage-collection.ts';
import { isCompletionBy } from '../../lib/revocation/completion.ts';
import { formatTarget } from '../../lib/revocation/observed-revocations.ts';
import { startReconcileLoop, type ReconcileLoop } from '../../lib/async/reconcile-loop.ts';
import type { ApprovalObjects } from '../../lib/edge/kubernetes/approval-store.ts';
import type { Emergencies } from '../../lib/exchange/emergencies.ts';
import type { ProposalObjects } from '../../lib/edge/kubernetes/proposal-store.ts';
import type { OnFailure } from './failures.ts';
import { createAuditQueue } from './audit-queue.ts';
import type { RevocationWatch } from './revocation-watch.ts';

export type GarbageCollectorDeps = {
  readonly revocations: Pick<RevocationWatch, 'index' | 'isCurrent'>;
  /** `gone`: another replica has removed it. */
  readonly remove: (name: string, uid: string) => Promise<'removed' | 'gone'>;
  /** UID of the current pod of this name; undefined if it does not exist. */
  readonly readPodUid: (pod: {
    readonly namespace: string;
    readonly name: string;
  }) => Promise<string | undefined>;
  /** Removes the Leases of used tokens that have expired. */
  readonly collectLeases: () => Promise<void>;
  readonly approvalRequests: Pick<ApprovalObjects, 'listAllRequests' | 'removeRequest'>;
  readonly proposals: Pick<ProposalObjects, 'listAll' | 'remove'>;
  /** Receives the states of all ApprovalRequests, and how many emergencies wait for a review. */
  readonly onApprovals: (found: {
    readonly states: readonly ApprovalState[];
    readonly unreviewed: number;
  }) => void;
  readonly emergencies: Pick<Emergencies, 'collectReviews'>;
  /** See {@link RevocationWatchDeps.by}. */
  readonly by: string;
  readonly maxLifetimeSeconds: number;
  readonly record: Recorder;
  readonly clock: Pick<Clock, 'now'>;
  readonly random: () => number;
  readonly onFailure: OnFailure;
};

const EVERY_MS = 60_000;

/**
 * Removes obsolete Revocations and Leases about every minute. Every replica does so; a removal that
 * another replica made first is not an error.
 */
export const startGarbageCollector = (deps: GarbageCollectorDeps): Pick<ReconcileLoop, 'stop'> => {
  const { random, onFailure } = deps;
  const records = createAuditQueue(deps);
  const attempt = async (message: string, run: () => Promise<void>): Promise<void> => {
    try {
      await run();
    } catch (error) {
      onFailure(message, error);
    }
  };
  const collect = async (revocation: Revocation): Promise<void> => {
    if (!(await isObsolete(revocation, deps))) return;
    const { name, uid, spec } = revocation;
    if ((await deps.remove(name, uid)) === 'gone' || isCompletionBy(revocation, deps.by)) return;
    const message = `no longer in use: ${formatTarget(spec)}, revoked by ${spec.by}`;
    records.add([{ kind: 'revocation.collected', at: deps.clock.now(), subject: name, message }]);
  };
  const reconcile = async (): Promise<number> => {
    await attempt('Revocations not collected', async () => {
      if (!deps.revocations.isCurrent()) return;
      for (const revocation of deps.revocations.index().all) await collect(revocation);
    });
    await attempt('Leases of used handles not collected', deps.collectLeases);
    await attempt('ApprovalRequests not collected', () => collectRequests(deps));
    await attempt('TaskProposals not collected', () => collectProposals(deps));
    return EVERY_MS;
  };
  const loop = startReconcileLoop({
    reconcile,
    onFailure: (error) => onFailure('garbage collection failed', error),
    retry: { firstMs: EVERY_MS, maxMs: EVERY_MS },
    random,
  });
  return {
    stop: () => {
      loop.stop();
      records.stop();
    },
  };
};

/** How long a request that has ended is shown. */
const SHOWN_MS = 60 * 60_000;

/** What one person decided alone stays until another one has reviewed it. */
const collectRequests = async ({
  approvalRequests,
  onApprovals,
  emergencies,
  clock,
}: Pick<
  GarbageCollectorDeps,
  'approvalRequests' | 'onApprovals' | 'emergencies' | 'clock'
>): Promise<void> => {
  const unreviewed = await emergencies.collectReviews();
  const now = clock.now();
  const before = now - SHOWN_MS;
  const all = await approvalRequests.listAllRequests();
  onApprovals({
    states: all.map((request) => getState(request, now)),
    unreviewed: unreviewed.size,
  });
  const ended = all.filter(({ spec }) => Date.parse(spec.expiresAt) < before);
  for (const request of ended.filter(({ uid }) => !unreviewed.has(uid))) {
    await approvalRequests.removeRequest(request);
  }
};

const collectProposals = async ({
  proposals,
  clock,
}: Pick<GarbageCollectorDeps, 'proposals' | 'clock'>): Promise<void> => {
  const now = clock.now();
  const all = await proposals.listAll();
  for (const each of all.filter(({ spec }) => Date.parse(spec.expiresAt) <= now)) {
    await proposals.remove(each);
  }
};

/** The stored state does not say that the time is over. */
const getState = ({ state = 'pending', spec }: ApprovalRequest, now: number): ApprovalState =>
  (state === 'pending' || state === 'approved') && Date.parse(spec.expiresAt) <= now
    ? 'expired'
    : state;

const isObsolete = async (
  revocation: Revocation,
  { clock, maxLifetimeSeconds, readPodUid }: GarbageCollectorDeps,
): Promise<boolean> => {
  const decision = evaluateCollection(revocation, {
    now: clock.now(),
    maxLifetimeSeconds,
  });
  if (typeof decision === 'string') return decision === 'delete';
  const { unlessRunning } = decision;
  return (await readPodUid(unlessRunning)) !== unlessRunning.uid;
};
