import { Watch } from '@kubernetes/client-node';

import type { KubernetesClient } from './kubernetes-client.ts';
import { toKubernetesError } from './kubernetes-error.ts';
import { isRestored } from './store-history.ts';
import { startWatchLoop, wait, type WatchLoopOptions } from './watch-loop.ts';

/** What a watch reads of an object. */
type WatchedObject = {
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly resourceVersion: string;
  };
};

/** How a state came about. */
export type StateOrigin = {
  /**
   * The API server's store was restored from a snapshot since the last state. What is missing now may be lost: no one
   * need have deleted it.
   */
  readonly isRestored: boolean;
  /** The version of the store at which the state was current. */
  readonly version: string;
};

export type ObjectWatchOptions<T extends WatchedObject> = {
  /** What is watched, for errors: `watch revocations`. */
  readonly culprit: string;
  /** Path of the collection at the API server. */
  readonly path: string;
  readonly fieldSelector?: string;
  /** Lists all objects from the API server's storage, not from its cache. */
  readonly list: () => Promise<{ readonly resourceVersion: string; readonly items: readonly T[] }>;
  /** The resource version of the API server's storage, and as little else as possible. */
  readonly readVersion: () => Promise<string>;
  /** Called with all objects, at first and after each change; simultaneous changes are combined. */
  readonly onState: (all: readonly T[], origin: StateOrigin) => void;
  /** Called when the last reported state is current: at each list, event, bookmark and end of a watch. */
  readonly onSync: (version: string) => void;
  /** The version of the store at which another process watched last. */
  readonly lastVersion?: string;
  /** Default: {@link WATCH_SECONDS}. */
  readonly watchSeconds?: number;
} & Pick<WatchLoopOptions, 'onError' | 'backoffMs'>;

/**
 * The API server ends a watch after this time, and the next one continues at the same resource version.
 * This detects a connection that was lost silently (the client library's own timeout is 30 s), and it
 * confirms contact for a kind that never changes.
 */
const WATCH_SECONDS = 20;
/** Shortest time between two watches, whatever ends them. */
const MIN_INTERVAL_MS = 500;

/**
 * Watches all objects of a collection until stopped: lists, then follows changes.
 *
 * A watch continues the one before it only if the history of changes must be the same. It lists again after a failure,
 * when the API server no longer has the history, after a watch that ended before its time, as one does when its API
 * server stops, and when the store is at another version than it can be. Otherwise, after a restore of etcd from an
 * older snapshot, a watch would start at a version of the future, which the API server accepts: it then drops each
 * change until its own version gets there (kubernetes/kubernetes#107457).
 *
 * @returns stops it
 */
export const watchObjects = <T extends WatchedObject>(
  kubernetes: Pick<KubernetesClient, 'config'>,
  options: ObjectWatchOptions<T>,
): (() => void) => {
  const { culprit, onState, onSync, onError, backoffMs, watchSeconds = WATCH_SECONDS } = options;
  let objectsByKey = new Map<string, T>();
  let pendingNotify: NodeJS.Immediate | undefined;
  /** The newest version of the store that this watch knows of, and whether it was restored since the last state. */
  let newest = options.lastVersion ?? '';
  let wasRestored = false;

  const scheduleNotify = (): void => {
    pendingNotify ??= setImmediate(() => {
      pendingNotify = undefined;
      const origin = { isRestored: wasRestored, version: newest };
      wasRestored = false;
      onState([...objectsByKey.values()], origin);
    });
  };
  const list = async (signal: AbortSignal): Promise<string> => {
    const { items, resourceVersion } = await options.list();
    objectsByKey = new Map(items.map((item) => [getKey(item), item]));
    wasRestored ||= isRestored(newest, resourceVersion);
    newest = resourceVersion;
    if (!signal.aborted) scheduleNotify();
    return resourceVersion;
  };
  const applyEvent = (type: string, item: T): void => {
    const { resourceVersion } = item.metadata;
    if (!isRestored(newest, resourceVersion)) newest = resourceVersion;
    if (type === 'BOOKMARK') return;
    if (type === 'DELETED') objectsByKey.delete(getKey(item));
    else objectsByKey.set(getKey(item), item);
    scheduleNotify();
  };
  const isSameHistory = async (): Promise<boolean> => {
    const version = await options.readVersion();
    if (isRestored(newest, version)) return false;
    newest = version;
    return true;
  };
  const run = async (onConnected: () => void, signal: AbortSignal): Promise<void> => {
    for (let from = await list(signal); !signal.aborted;) {
      onSync(newest);
      onConnected();
      const startedAt = performance.now();
      const at = await watchOnce(kubernetes, {
        ...options,
        watchSeconds,
        from,
        signal,
        applyEvent: (type, item) => {
          applyEvent(type, item as T);
          onSync(newest);
        },
      });
      const isTimely = performance.now() - startedAt >= watchSeconds * 1000;
      await wait(startedAt + MIN_INTERVAL_MS - performance.now(), signal);
      signal.throwIfAborted();
      from = at !== undefined && isTimely && (await isSameHistory()) ? at : await list(signal);
    }
  };

  const stop = startWatchLoop({ culprit, onError, backoffMs, run });
  return () => {
    stop();
    clearImmediate(pendingNotify);
  };
};

/** Names are unique in their namespace only. */
const getKey = ({ metadata }: WatchedObject): string =>
  `${metadata.namespace ?? ''}/${metadata.name}`;

type WatchOnceOptions = {
  readonly culprit: string;
  readonly path: string;
  readonly fieldSelector?: string;
  readonly watchSeconds: number;
  /** Resource version to continue from. */
  readonly from: string;
  readonly applyEvent: (type: string, item: WatchedObject) => void;
  readonly signal: AbortSignal;
};

/**
 * Runs one watch until it ends.
 *
 * @returns the resource version to continue from; undefined when the API server no longer has the
 *   history since `from` and a new list is needed
 * @throws KubernetesError
 */
const watchOnce = async (
  { config }: Pick<KubernetesClient, 'config'>,
  { culprit, path, fieldSelector, watchSeconds, from, applyEvent, signal }: WatchOnceOptions,
): Promise<string | undefined> => {
  const { promise: end, resolve: onDone } = Promise.withResolvers<unknown>();
  let at = from;
  let error: { readonly code?: number } | undefined;
  const onEvent = (type: string, object: unknown): void => {
    if (signal.aborted) return;
    if (type === 'ERROR') {
      error = object as { readonly code?: number };
      return;
    }
    const item = object as WatchedObject;
    at = item.metadata.resourceVersion;
    applyEvent(type, item);
  };
  const query = {
    resourceVersion: from,
    allowWatchBookmarks: true,
    timeoutSeconds: watchSeconds,
    ...(fieldSelector !== undefined && { fieldSelector }),
  };
  const request = await new Watch(config).watch(path, query, onEvent, onDone);
  const stop = (): void => request.abort();
  signal.addEventListener('abort', stop);
  if (signal.aborted) stop();
  const failure = await end;
  signal.removeEventListener('abort', stop);
  const status = error?.code ?? (failure as { statusCode?: number } | null)?.statusCode;
  if (status === GONE) return undefined;
  if (error !== undefined) throw toKubernetesError(culprit, { statusCode: status });
  if (failure) throw toKubernetesError(culprit, failure);
  return at;
};

const GONE = 410;
