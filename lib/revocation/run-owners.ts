import type { Revocation } from '../contract/authority.ts';

/** Which of the pods that listen a revoked run belongs to. */
export type RunOwners = {
  /** From now on these Revocations of runs stand; new ones are tried on each pod that listens. */
  readonly replace: (ofRuns: readonly Revocation[]) => void;
  /** A pod listens: the runs that nobody owned yet are tried on it. */
  readonly join: (podUid: string) => void;
  readonly leave: (podUid: string) => void;
  readonly ownedBy: (podUid: string) => readonly Revocation[];
};

/**
 * A run tells whose it is only to who asks with the pod's UID, by an HMAC: each pair is tried once,
 * not at every change for every stream.
 *
 * @param belongsTo whether the run is of the pod with this UID
 */
export const openRunOwners = (belongsTo: (run: string, podUid: string) => boolean): RunOwners => {
  const listening = new Map<string, { count: number; readonly own: Map<string, Revocation> }>();
  let unowned = new Map<string, Revocation>();
  let known: ReadonlyMap<string, Revocation> = new Map();

  const tryOn = (podUid: string, revocation: Revocation): boolean => {
    const { uid, spec } = revocation;
    if (!belongsTo(spec.run ?? '', podUid)) return false;
    listening.get(podUid)?.own.set(uid, revocation);
    unowned.delete(uid);
    return true;
  };
  return {
    replace: (ofRuns) => {
      const next = new Map(ofRuns.map((revocation) => [revocation.uid, revocation]));
      for (const { own } of listening.values()) {
        for (const uid of own.keys()) if (!next.has(uid)) own.delete(uid);
      }
      unowned = new Map([...unowned].filter(([uid]) => next.has(uid)));
      const added = [...next].filter(([uid]) => !known.has(uid));
      known = next;
      for (const [uid, revocation] of added) {
        unowned.set(uid, revocation);
        for (const podUid of listening.keys()) if (tryOn(podUid, revocation)) break;
      }
    },
    join: (podUid) => {
      const joined = listening.get(podUid);
      if (joined !== undefined) joined.count += 1;
      else {
        listening.set(podUid, { count: 1, own: new Map() });
        for (const revocation of [...unowned.values()]) tryOn(podUid, revocation);
      }
    },
    leave: (podUid) => {
      const left = listening.get(podUid);
      if (left === undefined || (left.count -= 1) > 0) return;
      listening.delete(podUid);
      for (const [uid, revocation] of left.own) unowned.set(uid, revocation);
    },
    ownedBy: (podUid) => [...(listening.get(podUid)?.own.values() ?? [])],
  };
};
