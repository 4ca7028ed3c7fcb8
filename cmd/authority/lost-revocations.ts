import type { Revocation, RevocationSpec } from '../../lib/contract/authority-api.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import { startReconcileLoop } from '../../lib/async/reconcile-loop.ts';
import { evaluateCollection } from '../../lib/revocation/garbage-collection.ts';
import { buildSuccessor } from '../../lib/revocation/lost-revocations.ts';
import type { OnFailure } from './failures.ts';

/** Revocations that a restore of the API server's store from an older snapshot has lost. */
export type LostRevocations = {
  /** Of the Revocations that were in force, those that the restored store does not have are created again. */
  readonly addMissing: (before: readonly Revocation[], restored: readonly Revocation[]) => void;
  /** Those that `stored` does not have yet, as they are created again. They are in force. */
  readonly listMissing: (stored: readonly Revocation[]) => readonly Revocation[];
  readonly stop: () => void;
};

export type LostRevocationDeps = {
  readonly create: (name: string, spec: RevocationSpec) => Promise<unknown>;
  /** See {@link RevocationWatchDeps.by}. */
  readonly by: string;
  readonly maxLifetimeSeconds: number;
  readonly clock: Pick<Clock, 'now'>;
  readonly random: () => number;
  readonly onFailure: OnFailure;
  /** Receives how many were lost. */
  readonly onLost: (count: number) => void;
};

const RETRY = { firstMs: 250, maxMs: 10_000 };
/** The watch confirms what was created. */
const CONFIRM_MS = 10_000;
const DAY_MS = 86_400_000;

/**
 * Creates lost Revocations again. Every replica does so that knew them: the names are the same, so each is created
 * once.
 */
export const createLostRevocations = (deps: LostRevocationDeps): LostRevocations => {
  const { create, by, maxLifetimeSeconds, clock, random, onFailure } = deps;
  const lost = new Map<string, Revocation>();
  const loop = startReconcileLoop({
    reconcile: async () => {
      const outcomes = await Promise.allSettled(
        [...lost.values()].map(({ name, spec }) => create(name, spec)),
      );
      const failed = outcomes.find(({ status }) => status === 'rejected');
      if (failed?.status === 'rejected') throw failed.reason;
      return lost.size === 0 ? DAY_MS : CONFIRM_MS;
    },
    onFailure: (error) => onFailure('lost Revocation not created again', error),
    retry: RETRY,
    random,
  });
  const isObsolete = (revocation: Revocation): boolean =>
    evaluateCollection(revocation, { now: clock.now(), maxLifetimeSeconds }) === 'delete';
  return {
    addMissing: (before, restored) => {
      const uids = new Set(restored.map(({ uid }) => uid));
      const missing = before.filter(({ uid }) => !uids.has(uid));
      for (const revocation of missing.filter((each) => !isObsolete(each))) {
        const successor = buildSuccessor(revocation, by);
        lost.set(successor.name, { ...revocation, ...successor });
      }
      if (lost.size === 0) return;
      deps.onLost(lost.size);
      loop.wake();
    },
    listMissing: (stored) => {
      for (const { name } of stored) lost.delete(name);
      return [...lost.values()];
    },
    stop: loop.stop,
  };
};
