import type { Revocation, RevocationSpec } from '../contract/authority-api.ts';

type NamedPod = NonNullable<RevocationSpec['pod']>;

/** `stays`, `goes`, or goes unless this very pod is alive. */
export type CollectionDecision = 'stays' | 'goes' | { readonly unlessRunning: NamedPod };

/** Clocks differ by up to 30 s, and keys may outlive their deadline by as much. */
const MARGIN_MS = 60_000;

/**
 * Whether nothing that the Revocation names can be alive: whatever it ended began before it was
 * created, so it is dead one lifetime later, at the cloud too. One that stands without `until` for a
 * pod's name, a task, a service account, a namespace or all names what may come, and stays.
 *
 * @param now milliseconds since the epoch
 * @param maxLifetimeSeconds the longest life of a run
 */
export const isCollectable = (
  { createdAt, spec }: Revocation,
  { now, maxLifetimeSeconds }: { now: number; maxLifetimeSeconds: number },
): CollectionDecision => {
  const { run, pod, until } = spec;
  if (now <= createdAt + maxLifetimeSeconds * 1000 + MARGIN_MS) return 'stays';
  if (until !== undefined) return now > Date.parse(until) + MARGIN_MS ? 'goes' : 'stays';
  if (run !== undefined) return 'goes';
  return pod?.uid === undefined ? 'stays' : { unlessRunning: pod };
};
