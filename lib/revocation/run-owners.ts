import type { Revocation } from '../contract/authority-api.ts';

/** Which of the pods that listen a revoked run belongs to. */
export type RunOwners = {
  /** From now on these Revocations of runs stand; new ones are to be tried on each pod that listens. */
  readonly replace: (ofRuns: readonly Revocation[]) => void;
  /** A pod listens: the runs that nobody owned yet are to be tried on it. */
  readonly join: (podUid: string) => void;
  readonly leave: (podUid: string) => void;
  /** Tries the next pairs, so many at most. */
  readonly advance: (trials: number) => {
    /** Pods that turned out to own one more. */
    readonly gained: readonly string[];
    readonly isDone: boolean;
  };
  readonly ownedBy: (podUid: string) => readonly Revocation[];
};

/** Every one of the first with every one of the second; `next` counts the pairs. */
type Pairs = {
  readonly revocations: readonly Revocation[];
  readonly podUids: readonly string[];
  next: number;
};

/**
 * A run tells whose it is only to who asks with the pod's UID, by an HMAC: each pair is tried once,
 * not at every change for every stream, the newest Revocations first, and in small portions.
 *
 * @param belongsTo whether the run is of the pod with this UID
 */
export const createRunOwners = (belongsTo: (run: string, podUid: string) => boolean): RunOwners => {
  const listening = new Map<string, { count: number; readonly own: Map<string, Revocation> }>();
  let unowned = new Map<string, Revocation>();
  let known: ReadonlySet<string> = new Set();
  let waiting: Pairs[] = [];

  const plan = (revocations: readonly Revocation[], podUids: readonly string[]): void => {
    if (revocations.length === 0 || podUids.length === 0) return;
    const newestFirst = revocations.toSorted((one, other) => other.createdAt - one.createdAt);
    waiting.push({ revocations: newestFirst, podUids, next: 0 });
  };
  /** The next pair that is still worth a trial; nothing: there is none. */
  const take = (): { revocation: Revocation; podUid: string } | undefined => {
    for (let [pairs] = waiting; pairs !== undefined; [pairs] = waiting) {
      const { revocations, podUids } = pairs;
      const revocation = revocations[Math.floor(pairs.next / podUids.length)];
      const podUid = podUids[pairs.next % podUids.length] ?? '';
      pairs.next += 1;
      if (revocation === undefined) waiting = waiting.slice(1);
      else if (unowned.has(revocation.uid) && listening.has(podUid)) return { revocation, podUid };
    }
    return undefined;
  };
  const tryPair = ({ revocation, podUid }: { revocation: Revocation; podUid: string }): boolean => {
    if (!belongsTo(revocation.spec.run ?? '', podUid)) return false;
    listening.get(podUid)?.own.set(revocation.uid, revocation);
    return unowned.delete(revocation.uid);
  };

  return {
    replace: (ofRuns) => {
      const next = new Map(ofRuns.map((revocation) => [revocation.uid, revocation]));
      for (const { own } of listening.values()) {
        for (const uid of own.keys()) if (!next.has(uid)) own.delete(uid);
      }
      const added = ofRuns.filter(({ uid }) => !known.has(uid));
      unowned = new Map([...unowned].filter(([uid]) => next.has(uid)));
      for (const revocation of added) unowned.set(revocation.uid, revocation);
      known = new Set(next.keys());
      plan(added, [...listening.keys()]);
    },
    join: (podUid) => {
      const joined = listening.get(podUid);
      if (joined !== undefined) joined.count += 1;
      else {
        listening.set(podUid, { count: 1, own: new Map() });
        plan([...unowned.values()], [podUid]);
      }
    },
    leave: (podUid) => {
      const left = listening.get(podUid);
      if (left === undefined || (left.count -= 1) > 0) return;
      listening.delete(podUid);
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
    ownedBy: (podUid) => [...(listening.get(podUid)?.own.values() ?? [])],
  };
};
