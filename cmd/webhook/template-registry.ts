import type { Clock } from '../../lib/contract/clock.ts';
import type { Log } from '../../lib/contract/log.ts';
import type { Pod } from '../../lib/contract/pod.ts';
import type { ConfigMapStore, StoredConfigMap } from '../../lib/edge/kubernetes/config-maps.ts';
import { KubernetesError } from '../../lib/edge/kubernetes/kubernetes-error.ts';
import { findTemplateHash } from '../../lib/injection/consumers.ts';
import type {
  AcceptedTemplates,
  PublishedTemplate,
} from '../../lib/injection/injection-template.ts';
import { readTemplates } from '../../lib/injection/accepted-templates.ts';
import { formatFieldError } from '../../lib/schema/field-error.ts';
import { computeBackoffMs } from '../../lib/async/backoff.ts';
import { startReconcileLoop } from '../../lib/async/reconcile-loop.ts';
import { toErrorFields } from '../../lib/server/error-fields.ts';
import {
  collectTemplates,
  isCurrent,
  formatPublishedAnnotation,
  formatSeenAnnotation,
  formatTimestamp,
} from './template-garbage-collection.ts';

/** The profiles that pods may have been injected from, kept together with the other replicas. */
export type TemplateRegistry = {
  /** From now on this one is ours: it is published first, and injected once all can know it. */
  readonly use: (profile: PublishedTemplate) => void;
  /** Ours: the newest that our watch has seen published. Nothing: none has been. */
  readonly published: () => PublishedTemplate | undefined;
  /** Those that a new pod may have been injected from: a running replica injects by them. */
  readonly accepted: () => AcceptedTemplates;
  /** Looks once more, where `hash` is not known: another replica may have published it just now. */
  readonly refreshIfUnknown: (hash: string) => Promise<void>;
  /** Whether what we inject stands there still. */
  readonly isPublished: () => boolean;
  /** Since the last word of the watch; nothing before the first. */
  readonly ageSeconds: () => number | undefined;
  readonly stop: () => void;
};

export type TemplateRegistryDeps = {
  readonly store: ConfigMapStore;
  readonly watch: (handlers: {
    readonly onState: (state: StoredConfigMap | undefined) => void;
    readonly onError: (error: unknown) => void;
    readonly backoffMs: (attempt: number) => number;
  }) => () => void;
  readonly listInjectedPods: () => AsyncIterable<Pod>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  readonly onCount: (count: number) => void;
  /** Between passes, while all is well. */
  readonly everyMs: number;
};

const RETRY = { firstMs: 500, maxMs: 30_000 };
/** A stranger who sends made-up hashes causes no more than one look each second. */
const MIN_REFRESH_INTERVAL_MS = 1_000;
/** A look during which the watch told something is repeated: it may have been asked before that. */
const MAX_READS = 3;

/** Opens them: publishes ours at once and each ten minutes, watches all, and collects the dead. */
export const createTemplateRegistry = (edges: TemplateRegistryDeps): TemplateRegistry => {
  const { store, clock, random, log, onCount } = edges;
  let known: AcceptedTemplates = new Map();
  let annotations: StoredConfigMap['annotations'] = {};
  let lastSyncAt: number | undefined;
  let updateCount = 0;
  let pendingRefresh: Promise<void> | undefined;
  let lastRefreshAt = -Infinity;
  let injected: PublishedTemplate | undefined;
  let wanted: PublishedTemplate | undefined;

  /** What is injected stays published until what shall be takes its place. */
  const ours = (): readonly PublishedTemplate[] =>
    [wanted, injected].filter((each) => each !== undefined);
  const accepted = (): AcceptedTemplates => {
    const now = clock.now();
    return new Map([...known].filter(([hash]) => isCurrent({ annotations }, { hash, now })));
  };
  const adopt = (): void => {
    if (wanted === undefined || wanted === injected || !known.has(wanted.hash)) return;
    injected = wanted;
    log.info('profile in use', { profile: injected.hash });
  };
  const applyState = (state: StoredConfigMap | undefined): void => {
    const { templates, faults } = readTemplates(state?.data ?? {});
    known = templates;
    annotations = state?.annotations ?? {};
    onCount(templates.size);
    if (faults.length > 0) log.warn('profiles refused', { faults: faults.map(formatFieldError) });
    adopt();
  };
  const publishLoop = startReconcileLoop({
    reconcile: async () => {
      if (ours().length === 0) return edges.everyMs;
      await publishTemplates(store, ours(), clock.now());
      await collectUnusedTemplates(ours(), edges);
      return edges.everyMs;
    },
    onFailure: (error) => log.warn('profiles not kept', toErrorFields(error)),
    retry: RETRY,
    random,
  });
  const stopWatch = edges.watch({
    onState: (state) => {
      lastSyncAt = clock.monotonic();
      updateCount += 1;
      const before = known;
      applyState(state);
      if (ours().some(({ hash }) => before.has(hash) && !known.has(hash))) publishLoop.wake();
    },
    onError: (error) => log.warn('watch of profiles failed', toErrorFields(error)),
    backoffMs: (attempt) => computeBackoffMs(attempt, { ...RETRY, random }),
  });
  const readState = async (): Promise<void> => {
    for (let reads = 0; reads < MAX_READS; reads += 1) {
      const before = updateCount;
      const state = await store.read();
      if (updateCount !== before) continue;
      applyState(state);
      return;
    }
  };
  const refresh = async (): Promise<void> => {
    lastRefreshAt = clock.monotonic();
    try {
      await readState();
    } catch (error) {
      log.warn('profiles not read', toErrorFields(error));
    } finally {
      pendingRefresh = undefined;
    }
  };

  return {
    use: (profile) => {
      if (profile.hash === wanted?.hash) return;
      wanted = profile;
      adopt();
      publishLoop.wake();
    },
    published: () => injected,
    accepted,
    refreshIfUnknown: async (hash) => {
      if (hash === injected?.hash || accepted().has(hash)) return;
      if (
        pendingRefresh === undefined &&
        clock.monotonic() - lastRefreshAt < MIN_REFRESH_INTERVAL_MS
      )
        return;
      pendingRefresh ??= refresh();
      await pendingRefresh;
    },
    isPublished: () => injected !== undefined && known.has(injected.hash),
    ageSeconds: () =>
      lastSyncAt === undefined ? undefined : (clock.monotonic() - lastSyncAt) / 1000,
    stop: () => {
      publishLoop.stop();
      stopWatch();
    },
  };
};

/** Without a cluster there are no other replicas, and no profile but our own. */
export const createLocalTemplateRegistry = (
  onCount: TemplateRegistryDeps['onCount'],
): TemplateRegistry => {
  let own: PublishedTemplate | undefined;
  return {
    use: (profile) => {
      own = profile;
      onCount(1);
    },
    published: () => own,
    accepted: () => new Map(own && [[own.hash, own.template]]),
    refreshIfUnknown: () => Promise.resolve(),
    isPublished: () => own !== undefined,
    ageSeconds: () => undefined,
    stop: () => undefined,
  };
};

const publishTemplates = async (
  store: ConfigMapStore,
  ours: readonly PublishedTemplate[],
  now: number,
): Promise<void> => {
  const time = formatTimestamp(now);
  const change = {
    data: Object.fromEntries(ours.map(({ hash, text }) => [hash, text])),
    annotations: Object.fromEntries(
      ours.flatMap(({ hash }) => [
        [formatSeenAnnotation(hash), time],
        [formatPublishedAnnotation(hash), time],
      ]),
    ),
  };
  try {
    await store.change(change);
  } catch (error) {
    if (!(error instanceof KubernetesError && error.code === 'notFound')) throw error;
    await store.create();
    await store.change(change);
  }
};

/** Pods first: one that appears later was injected by a replica that published within the hour. */
const collectUnusedTemplates = async (
  ours: readonly PublishedTemplate[],
  { store, listInjectedPods, clock, log }: TemplateRegistryDeps,
): Promise<void> => {
  const live = new Set(ours.map(({ hash }) => hash));
  for await (const pod of listInjectedPods()) live.add(findTemplateHash(pod) ?? '');
  const state = await store.read();
  if (state === undefined) return;
  const { data, annotations } = collectTemplates(state, { live, now: clock.now() });
  const removed = Object.keys(data);
  if (removed.length + Object.keys(annotations).length === 0) return;
  await store.change({ data, annotations, resourceVersion: state.resourceVersion });
  if (removed.length > 0) log.info('profiles collected', { profiles: removed });
};
