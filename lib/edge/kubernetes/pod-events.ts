import { createHash } from 'node:crypto';

import { openBuckets } from '../../issuing/buckets.ts';
import type { DirectCalls } from './direct-calls.ts';

/** What is told of a pod, for `kubectl describe` to show. */
export type PodEvent = {
  readonly namespace: string;
  readonly pod: { readonly name: string; readonly uid: string };
  /** One word for machines, `RunRefused`. */
  readonly reason: string;
  readonly message: string;
};

/** @throws KubernetesError */
export type TellPod = (event: PodEvent) => Promise<void>;

/** The API server refuses longer ones. */
const MAX_MESSAGE = 1024;
/** An SDK asks several times for one refusal: it is told once. */
const QUIET_MS = 60_000;
const MAX_REMEMBERED = 4096;
/** Of one pod, whatever it says: as Kubernetes' own recorder of Events spares the API server. */
const OF_ONE_POD = { burst: 25, perSecond: 1 / 60 };

/**
 * Makes warnings on pods (Event, core/v1), the same one at most once a minute, and of one pod that
 * never says the same twice no more than that either, once it has said enough.
 *
 * @param source.replica who tells it: our own pod's name
 */
export const openPodEvents = (
  calls: DirectCalls,
  source: {
    readonly replica: string;
    /** Wall-clock milliseconds since the epoch. */
    readonly now: () => number;
  },
): TellPod => {
  const told = new Map<string, number>();
  const take = openBuckets({ ...OF_ONE_POD, capacity: MAX_REMEMBERED, monotonic: source.now });
  return async (event) => {
    const key = keyOf(event);
    const at = source.now();
    if (at - (told.get(key) ?? -Infinity) < QUIET_MS || take(event.pod.uid) > 0) return;
    if (told.size >= MAX_REMEMBERED) told.clear();
    told.set(key, at);
    const { namespace, pod } = event;
    const telling = calls(`create event for pod ${namespace}/${pod.name}`, {
      method: 'POST',
      path: `/api/v1/namespaces/${encodeURIComponent(namespace)}/events`,
      body: write(event, { at, key, replica: source.replica }),
    });
    await telling.catch((error: unknown) => {
      told.delete(key);
      throw error;
    });
  };
};

const keyOf = ({ namespace, pod, reason, message }: PodEvent): string =>
  createHash('sha256')
    .update(JSON.stringify([namespace, pod.uid, reason, message]))
    .digest('hex');

/** Names are at most 253 characters, a pod's own may have as many. */
const nameOf = (pod: string, key: string, at: number): string =>
  `${pod.slice(0, 200).replace(/[.-]+$/, '')}.${key.slice(0, 12)}.${at.toString(16)}`;

const write = (
  { namespace, pod, reason, message }: PodEvent,
  told: { readonly at: number; readonly key: string; readonly replica: string },
) => {
  const time = new Date(told.at).toISOString();
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: nameOf(pod.name, told.key, told.at), namespace },
    involvedObject: { apiVersion: 'v1', kind: 'Pod', namespace, name: pod.name, uid: pod.uid },
    ...{ type: 'Warning', reason, message: message.slice(0, MAX_MESSAGE), count: 1 },
    ...{ firstTimestamp: time.replace(/\.\d+/, ''), lastTimestamp: time.replace(/\.\d+/, '') },
    source: { component: 'valetkey-authority', host: told.replica },
  };
};
