import { Watch } from '@kubernetes/client-node';

import { API_GROUP, API_VERSION } from '../../contract/authority-api.ts';
import type { KubernetesClient } from './kubernetes-client.ts';
import {
  createCustomResourceClient,
  type CustomResourceKind,
  type CustomResource,
} from './custom-resources.ts';
import { createApiClient } from './api-client.ts';
import { toKubernetesError } from './kubernetes-error.ts';
import { startWatchLoop, wait, type WatchLoopOptions } from './watch-loop.ts';

export type CustomResourceWatchOptions = CustomResourceKind & {
  /** Called with all resources, at first and after each change; simultaneous changes are combined. */
  readonly onState: (all: readonly CustomResource[]) => void;
  /** Called when the last reported state is current: at each list, event, bookmark and end of a watch. */
  readonly onSync: () => void;
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
 * Watches all resources of a kind, in every namespace, until stopped: lists, then follows changes. It lists
 * again after a failure, and when the API server no longer has the history of changes.
 *
 * @returns stops it
 */
export const watchCustomResources = (
  kubernetes: KubernetesClient,
  options: CustomResourceWatchOptions,
): (() => void) => {
  const { plural, onState, onSync, onError, backoffMs } = options;
  const resources = createCustomResourceClient(createApiClient(kubernetes), options);
  let resourcesByKey = new Map<string, CustomResource>();
  let pendingNotify: NodeJS.Immediate | undefined;

  const scheduleNotify = (): void => {
    pendingNotify ??= setImmediate(() => {
      pendingNotify = undefined;
      onState([...resourcesByKey.values()]);
    });
  };
  const list = async (signal: AbortSignal): Promise<string> => {
    const { items, resourceVersion } = await resources.list();
    resourcesByKey = new Map(items.map((item) => [getKey(item), item]));
    if (!signal.aborted) scheduleNotify();
    return resourceVersion;
  };
  const applyEvent = (type: string, item: CustomResource): void => {
    if (type === 'BOOKMARK') return;
    if (type === 'DELETED') resourcesByKey.delete(getKey(item));
    else resourcesByKey.set(getKey(item), item);
    scheduleNotify();
  };
  const run = async (onConnected: () => void, signal: AbortSignal): Promise<void> => {
    for (let from: string | undefined = await list(signal); !signal.aborted;) {
      onSync();
      onConnected();
      const startedAt = performance.now();
      from = await watchOnce(kubernetes, { plural, from, applyEvent, onSync, signal });
      await wait(startedAt + MIN_INTERVAL_MS - performance.now(), signal);
      from ??= await list(signal);
    }
  };

  const stop = startWatchLoop({ culprit: `watch ${plural}`, onError, backoffMs, run });
  return () => {
    stop();
    clearImmediate(pendingNotify);
  };
};

/** Names are unique in their namespace only. */
const getKey = ({ metadata }: CustomResource): string =>
  `${metadata.namespace ?? ''}/${metadata.name}`;

type WatchOnceOptions = {
  readonly plural: string;
  /** Resource version to continue from. */
  readonly from: string;
  readonly applyEvent: (type: string, item: CustomResource) => void;
  readonly onSync: () => void;
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
  { plural, from, applyEvent, onSync, signal }: WatchOnceOptions,
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
  const request = await new Watch(config).watch(path, query, onEvent, onDone);
  const stop = (): void => request.abort();
  signal.addEventListener('abort', stop);
  if (signal.aborted) stop();
  const failure = await end;
  signal.removeEventListener('abort', stop);
  const status = error?.code ?? (failure as { statusCode?: number } | null)?.statusCode;
  if (status === GONE) return undefined;
  if (error !== undefined) throw toKubernetesError(`watch ${plural}`, { statusCode: status });
  if (failure) throw toKubernetesError(`watch ${plural}`, failure);
  return at;
};

const GONE = 410;
