import { Watch } from '@kubernetes/client-node';

import { API_GROUP, API_VERSION } from '../../contract/authority.ts';
import type { Kubernetes } from './client.ts';
import { openCustomResources, type CustomKind, type CustomResource } from './custom-resources.ts';
import { openDirectCalls } from './direct-calls.ts';
import { toKubernetesError, type KubernetesError } from './kubernetes-error.ts';

export type CustomResourceWatchTerms = CustomKind & {
  /** Told of all of them, at first and after each change; many changes at once are told as one. */
  readonly onState: (all: readonly CustomResource[]) => void;
  /** What was told last is what is there now: at each list, event, bookmark, and end of a watch. */
  readonly onHeard: () => void;
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
const LEAST_MS = 500;
/** A watch that stood for so long did not fail by what made the one before fail. */
const STEADY_MS = 5_000;

/**
 * Watches all resources of a kind until stopped: lists, then follows what changes. After a failure,
 * and where the API server no longer knows what changed since, it begins with a fresh list.
 *
 * @returns stops it
 */
export const watchCustomResources = (
  kubernetes: Kubernetes,
  terms: CustomResourceWatchTerms,
): (() => void) => {
  const { plural, onState, onHeard, onError, backoffMs } = terms;
  const resources = openCustomResources(openDirectCalls(kubernetes), terms);
  const stopped = new AbortController();
  let known = new Map<string, CustomResource>();
  let telling: NodeJS.Immediate | undefined;
  let attempt = 0;
  let began = Infinity;

  const isStopped = (): boolean => stopped.signal.aborted;
  const tell = (): void => {
    telling ??= setImmediate(() => {
      telling = undefined;
      if (!isStopped()) onState([...known.values()]);
    });
  };
  const list = async (): Promise<string> => {
    const { items, resourceVersion } = await resources.list();
    known = new Map(items.map((item) => [item.metadata.name, item]));
    tell();
    return resourceVersion;
  };
  const learn = (type: string, item: CustomResource): void => {
    if (type === 'BOOKMARK') return;
    if (type === 'DELETED') known.delete(item.metadata.name);
    else known.set(item.metadata.name, item);
    tell();
  };
  const follow = async (): Promise<void> => {
    for (let from: string | undefined = await list(); !stopped.signal.aborted;) {
      onHeard();
      began = performance.now();
      from = await watchOnce(kubernetes, { plural, from, learn, onHeard, signal: stopped.signal });
      await wait(began + LEAST_MS - performance.now(), stopped.signal);
      from ??= await list();
    }
  };
  const run = async (): Promise<void> => {
    while (!isStopped()) {
      try {
        await follow();
      } catch (error) {
        if (isStopped()) return;
        attempt = performance.now() - began > STEADY_MS ? 1 : attempt + 1;
        onError(toKubernetesError(`watch ${plural}`, error));
        await wait(backoffMs(attempt), stopped.signal);
      }
    }
  };

  void run();
  return () => {
    stopped.abort();
    clearImmediate(telling);
  };
};

type WatchOnce = {
  readonly plural: string;
  /** Resource version of what is known. */
  readonly from: string;
  readonly learn: (type: string, item: CustomResource) => void;
  readonly onHeard: () => void;
  readonly signal: AbortSignal;
};

/**
 * One watch to its end.
 *
 * @returns where to take it up; nothing: what changed since `from` is forgotten, list afresh
 * @throws whatever broke it
 */
const watchOnce = async (
  { config }: Pick<Kubernetes, 'config'>,
  { plural, from, learn, onHeard, signal }: WatchOnce,
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
    learn(type, item);
    onHeard();
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
