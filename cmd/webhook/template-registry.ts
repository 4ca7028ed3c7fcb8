import type { Clock } from '../../lib/contract/clock.ts';
import type { Log } from '../../lib/contract/log.ts';
import type { Pod } from '../../lib/contract/pod.ts';
import type { ConfigMapStore, StoredConfigMap } from '../../lib/edge/kubernetes/config-maps.ts';
import { findTemplateHash } from '../../lib/injection/consumers.ts';
import type {
  AcceptedTemplates,
  PublishedTemplate,
} from '../../lib/injection/injection-template.ts';
import { readTemplates } from '../../lib/injection/accepted-templates.ts';
import { formatFieldError } from '../../lib/schema/field-error.ts';
import { startReconcileLoop } from '../../lib/async/reconcile-loop.ts';
import { toErrorFields } from '../../lib/server/error-fields.ts';
import { createWatchBackoff } from '../../lib/server/watch-backoff.ts';
import type { WatchSync } from '../../lib/server/watch-sync.ts';
import {
  collectTemplates,
  isCurrent,
  formatPublishedAnnotation,
  formatSeenAnnotation,
  formatTimestamp,
} from './template-garbage-collection.ts';

/** The templates that pods may be injected from, shared by all replicas. */
export type TemplateRegistry = {
  /** Publishes this template, then injects it once other replicas can know it. */
  readonly use: (template: PublishedTemplate) => void;
  /** The template that is injected: the newest that the watch has seen. Undefined: none yet. */
  readonly published: () => PublishedTemplate | undefined;
  /** Templates that running replicas inject, so that new pods may name them. */
  readonly accepted: () => AcceptedTemplates;
  /** Reads the templates again if `hash` is unknown: another replica may just have published it. */
  readonly refreshIfUnknown: (hash: string) => Promise<void>;
  /** Whether the injected template is still published. */
  readonly isPublished: () => boolean;
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
  /** Marked at each update of the watch. */
  readonly sync: Pick<WatchSync, 'markSynced'>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  readonly onCount: (count: number) => void;
  /** Interval of publication without errors. */
  readonly everyMs: number;
};

const RETRY = { firstMs: 500, maxMs: 30_000 };
/** Unknown hashes from clients cause at most one read per second. */
const MIN_REFRESH_INTERVAL_MS = 1_000;
/** A read is repeated if the watch sent an update meanwhile, because the read may be older. */
const MAX_READS = 3;

/** What the last state of the ConfigMap says, and which template of it this replica injects. */
const createTemplateState = ({ clock, log, onCount }: TemplateRegistryDeps) => {
  let known: AcceptedTemplates = new Map();
  let annotations: StoredConfigMap['annotations'] = {};
  let injected: PublishedTemplate | undefined;
  let wanted: PublishedTemplate | undefined;

  const adopt = (): void => {
    if (wanted === undefined || wanted === injected || !known.has(wanted.hash)) return;
    injected = wanted;
    log.info('injection template in use', { template: injected.hash });
  };
  return {
    /** @returns false if this template is wanted already */
    want: (template: PublishedTemplate): boolean => {
      if (template.hash === wanted?.hash) return false;
      wanted = template;
      adopt();
      return true;
    },
    apply: (state: StoredConfigMap | undefined): void => {
      const { templates, faults } = readTemplates(state?.data ?? {});
      known = templates;
      annotations = state?.annotations ?? {};
      onCount(templates.size);
      if (faults.length > 0)
        log.warn('injection templates rejected', { faults: faults.map(formatFieldError) });
      adopt();
    },
    known: () => known,
    injected: () => injected,
    /** The injected template stays published until the wanted one replaces it. */
    listOwn: (): readonly PublishedTemplate[] =>
      [wanted, injected].filter((each) => each !== undefined),
    listAccepted: (): AcceptedTemplates => {
      const now = clock.now();
      return new Map([...known].filter(([hash]) => isCurrent({ annotations }, { hash, now })));
    },
  };
};

/** Publishes this replica's template regularly, watches all templates, and deletes unused ones. */
export const createTemplateRegistry = (deps: TemplateRegistryDeps): TemplateRegistry => {
  const { store, sync, clock, random, log } = deps;
  const templates = createTemplateState(deps);
  const { known, injected, listOwn, listAccepted } = templates;
  let updateCount = 0;
  let pendingRefresh: Promise<void> | undefined;
  let lastRefreshAt = -Infinity;

  const publishLoop = startReconcileLoop({
    reconcile: async () => {
      if (listOwn().length === 0) return deps.everyMs;
      await publishTemplates(store, listOwn(), clock.now());
      await collectUnusedTemplates(listOwn(), deps);
      return deps.everyMs;
    },
    onFailure: (error) => log.warn('injection template publication failed', toErrorFields(error)),
    retry: RETRY,
    random,
  });
  const stopWatch = deps.watch({
    onState: (state) => {
      sync.markSynced();
      updateCount += 1;
      const before = known();
      templates.apply(state);
      if (listOwn().some(({ hash }) => before.has(hash) && !known().has(hash))) publishLoop.wake();
    },
    onError: (error) => log.warn('injection template watch failed', toErrorFields(error)),
    backoffMs: createWatchBackoff(random),
  });
  const readState = async (): Promise<void> => {
    for (let reads = 0; reads < MAX_READS; reads += 1) {
      const before = updateCount;
      const state = await store.read();
      if (updateCount !== before) continue;
      templates.apply(state);
      return;
    }
  };
  const refresh = async (): Promise<void> => {
    lastRefreshAt = clock.monotonic();
    try {
      await readState();
    } catch (error) {
      log.warn('injection templates not read', toErrorFields(error));
    } finally {
      pendingRefresh = undefined;
    }
  };

  return {
    use: (template) => {
      if (templates.want(template)) publishLoop.wake();
    },
    published: injected,
    accepted: listAccepted,
    refreshIfUnknown: async (hash) => {
      if (hash === injected()?.hash || listAccepted().has(hash)) return;
      const sinceRefreshMs = clock.monotonic() - lastRefreshAt;
      if (pendingRefresh === undefined && sinceRefreshMs < MIN_REFRESH_INTERVAL_MS) return;
      pendingRefresh ??= refresh();
      await pendingRefresh;
    },
    isPublished: () => {
      const own = injected();
      return own !== undefined && known().has(own.hash);
    },
    stop: () => {
      publishLoop.stop();
      stopWatch();
    },
  };
};

/** Without a cluster there are no other replicas, and no other templates. */
export const createLocalTemplateRegistry = (
  onCount: TemplateRegistryDeps['onCount'],
): TemplateRegistry => {
  let own: PublishedTemplate | undefined;
  return {
    use: (template) => {
      own = template;
      onCount(1);
    },
    published: () => own,
    accepted: () => new Map(own && [[own.hash, own.template]]),
    refreshIfUnknown: () => Promise.resolve(),
    isPublished: () => own !== undefined,
    stop: () => undefined,
  };
};

const publishTemplates = async (
  store: ConfigMapStore,
  own: readonly PublishedTemplate[],
  now: number,
): Promise<void> => {
  const time = formatTimestamp(now);
  const change = {
    data: Object.fromEntries(own.map(({ hash, text }) => [hash, text])),
    annotations: Object.fromEntries(
      own.flatMap(({ hash }) => [
        [formatSeenAnnotation(hash), time],
        [formatPublishedAnnotation(hash), time],
      ]),
    ),
  };
  await store.change(change);
};

/** Lists pods first: a later pod was injected by a replica that published within the hour. */
const collectUnusedTemplates = async (
  own: readonly PublishedTemplate[],
  { store, listInjectedPods, clock, log }: TemplateRegistryDeps,
): Promise<void> => {
  const live = new Set(own.map(({ hash }) => hash));
  for await (const pod of listInjectedPods()) live.add(findTemplateHash(pod) ?? '');
  const state = await store.read();
  const { data, annotations } = collectTemplates(state, { live, now: clock.now() });
  const removed = Object.keys(data);
  if (removed.length + Object.keys(annotations).length === 0) return;
  await store.change({ data, annotations, resourceVersion: state.resourceVersion });
  if (removed.length > 0) log.info('injection templates deleted', { templates: removed });
};
