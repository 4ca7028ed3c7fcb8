import { createHash } from 'node:crypto';

import { createLruCache } from '../../async/lru-cache.ts';
import { createTokenBuckets } from '../../async/token-buckets.ts';
import type { ApiClient } from './api-client.ts';

/** What is told of a pod, for `kubectl describe` to show. */
export type PodEvent = {
  readonly namespace: string;
  readonly pod: { readonly name: string; readonly uid: string };
  /** One word for machines, `RunRefused`. */
  readonly reason: string;
  readonly message: string;
};

/** @throws KubernetesError */
export type EmitPodEvent = (event: PodEvent) => Promise<void>;

/** The API server refuses longer ones. */
const MAX_MESSAGE_LENGTH = 1024;
/** An SDK asks several times for one refusal: it is told once. */
const DEDUPLICATION_MS = 60_000;
const MAX_RECENT_EVENTS = 4096;
/** Of one pod, whatever it says: as Kubernetes' own recorder of Events spares the API server. */
const POD_EVENT_LIMIT = { burst: 25, perSecond: 1 / 60 };

/**
 * Makes warnings on pods (Event, core/v1), the same one at most once a minute, and of one pod that
 * never says the same twice no more than that either, once it has said enough.
 *
 * @param source.replica who tells it: our own pod's name
 */
export const createPodEventEmitter = (
  calls: ApiClient,
  source: {
    readonly replica: string;
    /** Wall-clock milliseconds since the epoch. */
    readonly now: () => number;
  },
): EmitPodEvent => {
  const emittedAt = createLruCache<number>(MAX_RECENT_EVENTS);
  const take = createTokenBuckets({
    ...POD_EVENT_LIMIT,
    capacity: MAX_RECENT_EVENTS,
    monotonic: source.now,
  });
  return async (event) => {
    const key = buildEventKey(event);
    const at = source.now();
    if (at - (emittedAt.get(key) ?? -Infinity) < DEDUPLICATION_MS || take(event.pod.uid) > 0)
      return;
    emittedAt.set(key, at);
    const { namespace, pod } = event;
    const creation = calls(`create event for pod ${namespace}/${pod.name}`, {
      method: 'POST',
      path: `/api/v1/namespaces/${encodeURIComponent(namespace)}/events`,
      body: toEvent(event, { at, key, replica: source.replica }),
    });
    await creation.catch((error: unknown) => {
      emittedAt.delete(key);
      throw error;
    });
  };
};

const buildEventKey = ({ namespace, pod, reason, message }: PodEvent): string =>
  createHash('sha256')
    .update(JSON.stringify([namespace, pod.uid, reason, message]))
    .digest('hex');

/** Names are at most 253 characters, a pod's own may have as many. */
const buildEventName = (pod: string, key: string, at: number): string =>
  `${pod.slice(0, 200).replace(/[.-]+$/, '')}.${key.slice(0, 12)}.${at.toString(16)}`;

const toEvent = (
  { namespace, pod, reason, message }: PodEvent,
  told: { readonly at: number; readonly key: string; readonly replica: string },
) => {
  const time = new Date(told.at).toISOString();
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: buildEventName(pod.name, told.key, told.at), namespace },
    involvedObject: { apiVersion: 'v1', kind: 'Pod', namespace, name: pod.name, uid: pod.uid },
    ...{ type: 'Warning', reason, message: message.slice(0, MAX_MESSAGE_LENGTH), count: 1 },
    ...{ firstTimestamp: time.replace(/\.\d+/, ''), lastTimestamp: time.replace(/\.\d+/, '') },
    source: { component: 'valetkey-authority', host: told.replica },
  };
};
