import type { Recorder } from '../../lib/audit/audit-event.ts';
import type { Revocation } from '../../lib/contract/authority-api.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import { evaluateCollection } from '../../lib/revocation/garbage-collection.ts';
import { isCompletionBy } from '../../lib/revocation/completion.ts';
import { formatTarget } from '../../lib/revocation/observed-revocations.ts';
import { startReconcileLoop, type ReconcileLoop } from '../../lib/async/reconcile-loop.ts';
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
  const decision = evaluateCollection(revocation, {
    now: clock.now(),
    maxLifetimeSeconds,
  });
  if (typeof decision === 'string') return decision === 'delete';
  const { unlessRunning } = decision;
  return (await readPodUid(unlessRunning)) !== unlessRunning.uid;
};
