import type { Recorder } from '../../lib/audit/record.ts';
import type { Revocation } from '../../lib/contract/authority.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import { judgeCollection } from '../../lib/revocation/collection.ts';
import { isCompletionBy } from '../../lib/revocation/completion.ts';
import { describeTarget } from '../../lib/revocation/observed.ts';
import { jitterMs, startLoop, type Loop } from '../../lib/rounds/loop.ts';
import type { OnFailure } from './failures.ts';
import { openLaterRecords } from './later-records.ts';
import type { Revocations } from './revocations.ts';

export type CollectionEdges = {
  readonly revocations: Pick<Revocations, 'index' | 'isCurrent'>;
  /** `gone`: another replica was first. */
  readonly remove: (name: string, uid: string) => Promise<'removed' | 'gone'>;
  /** The UID of the pod of this name that lives now; nothing: there is none. */
  readonly readPodUid: (pod: {
    readonly namespace: string;
    readonly name: string;
  }) => Promise<string | undefined>;
  /** Removes Leases of tokens that would be refused for their age anyway. */
  readonly collectLeases: () => Promise<void>;
  /** See {@link RevocationsEdges.by}. */
  readonly by: string;
  readonly lifetimeCeilingSeconds: number;
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
export const openCollection = (edges: CollectionEdges): Pick<Loop, 'stop'> => {
  const { random, onFailure } = edges;
  const records = openLaterRecords(edges);
  const attempt = async (message: string, run: () => Promise<void>): Promise<void> => {
    try {
      await run();
    } catch (error) {
      onFailure(message, error);
    }
  };
  const collect = async (revocation: Revocation): Promise<void> => {
    if (!(await isDead(revocation, edges))) return;
    const { name, uid, spec } = revocation;
    if ((await edges.remove(name, uid)) === 'gone' || isCompletionBy(revocation, edges.by)) return;
    const message = `nothing is alive of ${describeTarget(spec)}, revoked by ${spec.by}`;
    records.add([{ kind: 'revocation.collected', at: edges.clock.now(), subject: name, message }]);
  };
  const loop = startLoop(async () => {
    await attempt('Revocations not collected', async () => {
      if (!edges.revocations.isCurrent()) return;
      for (const revocation of edges.revocations.index().all) await collect(revocation);
    });
    await attempt('Leases of spent tokens not collected', edges.collectLeases);
    return jitterMs(EVERY_MS, random);
  });
  return {
    stop: () => {
      loop.stop();
      records.stop();
    },
  };
};

const isDead = async (
  revocation: Revocation,
  { clock, lifetimeCeilingSeconds, readPodUid }: CollectionEdges,
): Promise<boolean> => {
  const verdict = judgeCollection(revocation, { now: clock.now(), lifetimeCeilingSeconds });
  if (typeof verdict === 'string') return verdict === 'goes';
  const { unlessAlive } = verdict;
  return (await readPodUid(unlessAlive)) !== unlessAlive.uid;
};
