import type { Revocation, RevocationSpec } from '../contract/authority-api.ts';

type NamedPod = NonNullable<RevocationSpec['pod']>;

/** Keep the Revocation, delete it, or delete it unless exactly this pod (by UID) still exists. */
export type CollectionDecision = 'keep' | 'delete' | { readonly unlessRunning: NamedPod };

/** Clocks differ by up to 30 s, and credentials may outlive their deadline by as much. */
const MARGIN_MS = 60_000;

/**
 * Decides whether a Revocation can be deleted, because no run that it ended can still be active. Such
 * a run started before the Revocation was created, so its credentials have expired one maximum lifetime
 * later, at the cloud too. A Revocation without `until` of a pod name, a task, a service account, a
 * namespace or everything also blocks future runs and is kept.
 *
 * @param now milliseconds since the epoch
 * @param maxLifetimeSeconds the longest lifetime of a run
 */
export const evaluateCollection = (
  { createdAt, spec }: Revocation,
  { now, maxLifetimeSeconds }: { now: number; maxLifetimeSeconds: number },
): CollectionDecision => {
  const { run, pod, until } = spec;
  if (now <= createdAt + maxLifetimeSeconds * 1000 + MARGIN_MS) return 'keep';
  if (until !== undefined) return now > Date.parse(until) + MARGIN_MS ? 'delete' : 'keep';
  if (run !== undefined) return 'delete';
  return pod?.uid === undefined ? 'keep' : { unlessRunning: pod };
};
