import type { Recorder } from '../../lib/audit/audit-event.ts';
import type { Revocation } from '../../lib/contract/authority-api.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import { isCollectable } from '../../lib/revocation/garbage-collection.ts';
import { isCompletionBy } from '../../lib/revocation/completion.ts';
import { formatTarget } from '../../lib/revocation/observed-revocations.ts';
import { startReconcileLoop, type ReconcileLoop } from '../../lib/async/reconcile-loop.ts';
import type { OnFailure } from './failures.ts';
import { createAuditQueue } from './audit-queue.ts';
import type { RevocationWatch } from './revocation-watch.ts';

export type GarbageCollectorDeps = {
  readonly revocations: Pick<RevocationWatch, 'index' | 'isCurrent'>;
  /** `gone`: another replica was first. */
  readonly remove: (name: string, uid: string) => Promise<'removed' | 'gone'>;
  /** The UID of the pod of this name that lives now; nothing: there is none. */
  readonly readPodUid: (pod: {
    readonly namespace: string;
    readonly name: string;
  }) => Promise<string | undefined>;
  /** Removes Leases of tokens that would be refused for their age anyway. */
  readonly collectLeases: () => Promise<void>;
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
 * Removes, about each minute, what has nothing left to do. Every replica does: who comes second finds
 * it gone.
 */
export const startGarbageCollector = (edges: GarbageCollectorDeps): Pick<ReconcileLoop, 'stop'> => {
  const { random, onFailure } = edges;
  const records = createAuditQueue(edges);
  const attempt = async (message: string, run: () => Promise<void>): Promise<void> => {
    try {
      await run();
    } catch (error) {
      onFailure(message, error);
    }
  };
  const collect = async (revocation: Revocation): Promise<void> => {
    if (!(await isObsolete(revocation, edges))) return;
    const { name, uid, spec } = revocation;
    if ((await edges.remove(name, uid)) === 'gone' || isCompletionBy(revocation, edges.by)) return;
    const message = `nothing is alive of ${formatTarget(spec)}, revoked by ${spec.by}`;
    records.add([{ kind: 'revocation.collected', at: edges.clock.now(), subject: name, message }]);
  };
  const reconcile = async (): Promise<number> => {
    await attempt('Revocations not collected', async () => {
      if (!edges.revocations.isCurrent()) return;
      for (const revocation of edges.revocations.index().all) await collect(revocation);
    });
    await attempt('Leases of spent tokens not collected', edges.collectLeases);
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

const isObsolete = async (
  revocation: Revocation,
  { clock, maxLifetimeSeconds, readPodUid }: GarbageCollectorDeps,
): Promise<boolean> => {
  const decision = isCollectable(revocation, {
    now: clock.now(),
    maxLifetimeSeconds: maxLifetimeSeconds,
  });
  if (typeof decision === 'string') return decision === 'goes';
  const { unlessRunning } = decision;
  return (await readPodUid(unlessRunning)) !== unlessRunning.uid;
};
