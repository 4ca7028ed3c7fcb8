import type { Revocation } from '../contract/authority-api.ts';

/** Finds which of the pods with an event stream owns a revoked run. */
export type RunOwners = {
  /** Replaces the Revocations of runs; new ones are to be tried on each connected pod. */
  readonly replace: (runRevocations: readonly Revocation[]) => void;
  /** Adds a stream of a pod; runs without a known owner are to be tried on it. */
  readonly join: (podUid: string) => void;
  /** Removes a stream of a pod. */
  readonly leave: (podUid: string) => void;
  /** Tries the next pairs of run and pod, at most `trials`. */
  readonly advance: (trials: number) => {
    /** Pods that own one more revoked run. */
    readonly gained: readonly string[];
    readonly isDone: boolean;
  };
  readonly ownedBy: (podUid: string) => readonly Revocation[];
};

/** All pairs of a Revocation and a pod; `next` is the index of the next pair. */
type Pairs = {
  readonly revocations: readonly Revocation[];
  readonly podUids: readonly string[];
  next: number;
};

/**
 * Creates an index of owners. A run ID shows its pod only to a check with the pod's UID (an HMAC), so
 * each pair of run and pod is tried once, instead of at every change for every stream: the newest
 * Revocations first, in small portions.
 *
 * @param belongsTo whether the run was issued to the pod with this UID
 */
export const createRunOwners = (belongsTo: (run: string, podUid: string) => boolean): RunOwners => {
  const connected = new Map<string, { count: number; readonly own: Map<string, Revocation> }>();
  let unowned = new Map<string, Revocation>();
  let known: ReadonlySet<string> = new Set();
  let waiting: Pairs[] = [];

  const plan = (revocations: readonly Revocation[], podUids: readonly string[]): void => {
    if (revocations.length === 0 || podUids.length === 0) return;
    const newestFirst = revocations.toSorted((one, other) => other.createdAt - one.createdAt);
    waiting.push({ revocations: newestFirst, podUids, next: 0 });
  };
  /** The next pair that still needs a trial; undefined when none is left. */
  const take = (): { revocation: Revocation; podUid: string } | undefined => {
    for (let [pairs] = waiting; pairs !== undefined; [pairs] = waiting) {
      const { revocations, podUids } = pairs;
      const revocation = revocations[Math.floor(pairs.next / podUids.length)];
      const podUid = podUids[pairs.next % podUids.length] ?? '';
      pairs.next += 1;
      if (revocation === undefined) waiting = waiting.slice(1);
      else if (unowned.has(revocation.uid) && connected.has(podUid)) return { revocation, podUid };
    }
    return undefined;
  };
  const tryPair = ({ revocation, podUid }: { revocation: Revocation; podUid: string }): boolean => {
    if (!belongsTo(revocation.spec.run ?? '', podUid)) return false;
    connected.get(podUid)?.own.set(revocation.uid, revocation);
    return unowned.delete(revocation.uid);
  };

  return {
    replace: (runRevocations) => {
      const next = new Map(runRevocations.map((revocation) => [revocation.uid, revocation]));
      for (const { own } of connected.values()) {
        for (const uid of own.keys()) if (!next.has(uid)) own.delete(uid);
      }
      const added = runRevocations.filter(({ uid }) => !known.has(uid));
      unowned = new Map([...unowned].filter(([uid]) => next.has(uid)));
      for (const revocation of added) unowned.set(revocation.uid, revocation);
      known = new Set(next.keys());
      plan(added, [...connected.keys()]);
    },
    join: (podUid) => {
      const joined = connected.get(podUid);
      if (joined !== undefined) joined.count += 1;
      else {
        connected.set(podUid, { count: 1, own: new Map() });
        plan([...unowned.values()], [podUid]);
      }
    },
    leave: (podUid) => {
      const left = connected.get(podUid);
      if (left === undefined || (left.count -= 1) > 0) return;
      connected.delete(podUid);
      for (const [uid, revocation] of left.own) unowned.set(uid, revocation);
    },
    advance: (trials) => {
      const gained = new Set<string>();
      for (let left = trials; left > 0; left -= 1) {
        const pair = take();
        if (pair === undefined) return { gained: [...gained], isDone: true };
        if (tryPair(pair)) gained.add(pair.podUid);
      }
      return { gained: [...gained], isDone: false };
    },
    ownedBy: (podUid) => [...(connected.get(podUid)?.own.values() ?? [])],
  };
};
