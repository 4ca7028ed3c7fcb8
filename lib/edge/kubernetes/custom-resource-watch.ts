import { Watch } from '@kubernetes/client-node';

import { API_GROUP, API_VERSION } from '../../contract/authority-api.ts';
import type { KubernetesClient } from './kubernetes-client.ts';
import {
  createCustomResourceClient,
  type CustomResourceKind,
  type CustomResource,
} from './custom-resources.ts';
import { createApiClient } from './api-client.ts';
import { toKubernetesError, type KubernetesError } from './kubernetes-error.ts';

export type CustomResourceWatchOptions = CustomResourceKind & {
  /** Told of all of them, at first and after each change; many changes at once are told as one. */
  readonly onState: (all: readonly CustomResource[]) => void;
  /** What was told last is what is there now: at each list, event, bookmark, and end of a watch. */
  readonly onSync: () => void;
  readonly onError: (error: KubernetesError) => void;
  /** Milliseconds to wait before try number `attempt` (1, 2, …) after a failure. */
  readonly backoffMs: (attempt: number) => number;
};

/**
 * The API server ends a watch after so long, and it is taken up again where it was: a connection that
 * died without a word is noticed (the client library's own limit on silence is 30 s), and one of a
 * kind that never changes is heard of.
 */
const WATCH_SECONDS = 20;
/** Whatever ends watches at once is not asked more often. */
const MIN_INTERVAL_MS = 500;
/** A watch that stood for so long did not fail by what made the one before fail. */
const STABLE_AFTER_MS = 5_000;

/**
 * Watches all resources of a kind until stopped: lists, then follows what changes. After a failure,
 * and where the API server no longer knows what changed since, it begins with a fresh list.
 *
 * @returns stops it
 */
export const watchCustomResources = (
  kubernetes: KubernetesClient,
  terms: CustomResourceWatchOptions,
): (() => void) => {
  const { plural, onState, onSync, onError, backoffMs } = terms;
  const resources = createCustomResourceClient(createApiClient(kubernetes), terms);
  const stopped = new AbortController();
  let resourcesByName = new Map<string, CustomResource>();
  let pendingNotify: NodeJS.Immediate | undefined;
  let attempt = 0;
  let startedAt = Infinity;

  const isStopped = (): boolean => stopped.signal.aborted;
  const scheduleNotify = (): void => {
    pendingNotify ??= setImmediate(() => {
      pendingNotify = undefined;
      if (!isStopped()) onState([...resourcesByName.values()]);
    });
  };
  const list = async (): Promise<string> => {
    const { items, resourceVersion } = await resources.list();
    resourcesByName = new Map(items.map((item) => [item.metadata.name, item]));
    scheduleNotify();
    return resourceVersion;
  };
  const applyEvent = (type: string, item: CustomResource): void => {
    if (type === 'BOOKMARK') return;
    if (type === 'DELETED') resourcesByName.delete(item.metadata.name);
    else resourcesByName.set(item.metadata.name, item);
    scheduleNotify();
  };
  const follow = async (): Promise<void> => {
    for (let from: string | undefined = await list(); !stopped.signal.aborted;) {
      onSync();
      startedAt = performance.now();
      from = await watchOnce(kubernetes, {
        plural,
        from,
        applyEvent,
        onSync,
        signal: stopped.signal,
      });
      await wait(startedAt + MIN_INTERVAL_MS - performance.now(), stopped.signal);
      from ??= await list();
    }
  };
  const run = async (): Promise<void> => {
    while (!isStopped()) {
      try {
        await follow();
      } catch (error) {
        if (isStopped()) return;
        attempt = performance.now() - startedAt > STABLE_AFTER_MS ? 1 : attempt + 1;
        onError(toKubernetesError(`watch ${plural}`, error));
        await wait(backoffMs(attempt), stopped.signal);
      }
    }
  };

  void run();
  return () => {
    stopped.abort();
    clearImmediate(pendingNotify);
  };
};

type WatchOnceOptions = {
  readonly plural: string;
  /** Resource version of what is known. */
  readonly from: string;
  readonly applyEvent: (type: string, item: CustomResource) => void;
  readonly onSync: () => void;
  readonly signal: AbortSignal;
};

/**
 * One watch to its end.
 *
 * @returns where to take it up; nothing: what changed since `from` is forgotten, list afresh
 * @throws whatever broke it
 */
const watchOnce = async (
  { config }: Pick<KubernetesClient, 'config'>,
  { plural, from, applyEvent, onSync, signal }: WatchOnceOptions,
): Promise<string | undefined> => {
  const { promise: end, resolve: onDone } = Promise.withResolvers<unknown>();
  let at = from;
  let error: { readonly code?: number } | undefined;
  const onEvent = (type: string, object: unknown): void => {
    if (type === 'ERROR') {
      error = object as { readonly code?: number };
      return;
    }
    const item = object as CustomResource;
    at = item.metadata.resourceVersion;
    applyEvent(type, item);
    onSync();
  };
  const query = {
    resourceVersion: from,
    allowWatchBookmarks: true,
    timeoutSeconds: WATCH_SECONDS,
  };
  const path = `/apis/${API_GROUP}/${API_VERSION}/${plural}`;
  const begun = await new Watch(config).watch(path, query, onEvent, onDone);
  const stop = (): void => begun.abort();
  signal.addEventListener('abort', stop);
  if (signal.aborted) stop();
  const broken = await end;
  signal.removeEventListener('abort', stop);
  const status = error?.code ?? (broken as { statusCode?: number } | null)?.statusCode;
  if (status === GONE) return undefined;
  if (error !== undefined) throw toKubernetesError(`watch ${plural}`, { statusCode: status });
  if (broken) throw toKubernetesError(`watch ${plural}`, broken);
  return at;
};

const GONE = 410;

const wait = async (ms: number, signal: AbortSignal): Promise<void> => {
  if (ms <= 0) return;
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const end = (): void => resolve(undefined);
  const timer = setTimeout(end, ms);
  signal.addEventListener('abort', end);
  await promise.finally(() => {
    clearTimeout(timer);
    signal.removeEventListener('abort', end);
  });
};
