import { createHash } from 'node:crypto';

import { createLruCache } from '../../async/lru-cache.ts';
import { createTokenBuckets } from '../../async/token-buckets.ts';
import {
  EVENT_CODE_ANNOTATION,
  EVENT_REQUEST_ANNOTATION,
  INSTALLED,
} from '../../contract/names.ts';
import { truncateText } from '../../schema/truncated-text.ts';
import type { ApiClient } from './api-client.ts';

/** A warning about a pod. `kubectl describe` shows it if it has the UID of the pod. */
export type PodEvent = {
  readonly namespace: string;
  readonly pod: { readonly name: string; readonly uid: string };
  /**
   * `RunRefused`: final. `RunUnavailable`: a retry may succeed. `IssuerUnreachable`: about the replica
   * itself, which cannot read the published keys.
   */
  readonly reason: 'RunRefused' | 'RunUnavailable' | 'IssuerUnreachable';
  /** Why, machine-readable; becomes the annotation {@link EVENT_CODE_ANNOTATION}. */
  readonly code: string;
  readonly message: string;
  /** Of the request that caused it: shown behind the message, and as {@link EVENT_REQUEST_ANNOTATION}. */
  readonly requestId?: string;
};

/** @throws KubernetesError */
export type EmitPodEvent = (event: PodEvent) => Promise<void>;

/** The API server rejects longer messages. */
const MAX_MESSAGE_LENGTH = 1024;
/** An SDK retries a refused request several times; one event is enough. */
const DEDUPLICATION_MS = 60_000;
const MAX_RECENT_EVENTS = 4096;
/** Limit for each pod, equal to that of the Kubernetes event recorder. */
const POD_EVENT_LIMIT = { burst: 25, perSecond: 1 / 60 };
/** While a cloud is down, every pod is refused: for all pods of this replica together. */
const UNAVAILABLE_EVENT_LIMIT = { burst: 50, perSecond: 1 };

/**
 * Creates an emitter of warnings on pods (Event, core/v1). The same event is emitted at most once a
 * minute. Different events of one pod are limited to a burst and then to one a minute. Events about
 * what is unavailable are the same whatever their message, and limited for all pods together.
 *
 * @param source.replica name of this replica's own pod
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
  const takeUnavailable = createTokenBuckets({
    ...UNAVAILABLE_EVENT_LIMIT,
    capacity: 1,
    monotonic: source.now,
  });
  const isLimited = ({ reason, pod }: PodEvent): boolean =>
    take(pod.uid) > 0 || (reason === 'RunUnavailable' && takeUnavailable(reason) > 0);
  return async (event) => {
    const key = buildEventKey(event);
    const at = source.now();
    if (at - (emittedAt.get(key) ?? -Infinity) < DEDUPLICATION_MS || isLimited(event)) return;
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

const buildEventKey = ({ namespace, pod, reason, code, message }: PodEvent): string => {
  const what = reason === 'RunUnavailable' ? code : message;
  return createHash('sha256')
    .update(JSON.stringify([namespace, pod.uid, reason, what]))
    .digest('hex');
};

/** Object names are limited to 253 characters, and the name of a pod may use all of them. */
const buildEventName = (pod: string, key: string, at: number): string =>
  `${pod.slice(0, 200).replace(/[.-]+$/, '')}.${key.slice(0, 12)}.${at.toString(16)}`;

const toEvent = (
  { namespace, pod, reason, code, message, requestId }: PodEvent,
  { at, key, replica }: { readonly at: number; readonly key: string; readonly replica: string },
) => {
  const time = new Date(at).toISOString();
  const suffix = requestId === undefined ? '' : ` (request ${requestId})`;
  const text = truncateText(message, MAX_MESSAGE_LENGTH - suffix.length);
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: {
      name: buildEventName(pod.name, key, at),
      namespace,
      annotations: {
        [EVENT_CODE_ANNOTATION]: code,
        ...(requestId !== undefined && { [EVENT_REQUEST_ANNOTATION]: requestId }),
      },
    },
    involvedObject: { apiVersion: 'v1', kind: 'Pod', namespace, name: pod.name, uid: pod.uid },
    type: 'Warning',
    reason,
    message: text + suffix,
    count: 1,
    firstTimestamp: time.replace(/\.\d+/, ''),
    lastTimestamp: time.replace(/\.\d+/, ''),
    source: { component: INSTALLED.authority, host: replica },
  };
};
