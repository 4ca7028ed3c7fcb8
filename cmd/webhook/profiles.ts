import type { Clock } from '../../lib/contract/clock.ts';
import { SIDECAR_ENV } from '../../lib/contract/environment.ts';
import type { Log } from '../../lib/contract/log.ts';
import type { Pod } from '../../lib/contract/pod.ts';
import type { ConfigMapStore, StoredConfigMap } from '../../lib/edge/kubernetes/config-maps.ts';
import { KubernetesError } from '../../lib/edge/kubernetes/kubernetes-error.ts';
import { sidecarsOf } from '../../lib/injection/consumers.ts';
import type { AcceptedProfiles, PublishedProfile } from '../../lib/injection/profile.ts';
import { readProfiles } from '../../lib/injection/published-profiles.ts';
import { describeFault } from '../../lib/reading/fault.ts';
import { errorFields } from './error-fields.ts';
import { backoffMs, jitterMs, startLoop } from './loop.ts';
import {
  collectProfiles,
  isCurrent,
  publishedAnnotation,
  seenAnnotation,
  stamp,
} from './profile-collection.ts';

/** The profiles that pods may have been injected from, kept together with the other replicas. */
export type Profiles = {
  /** Those that a new pod may have been injected from: a running replica injects by them. */
  readonly accepted: () => AcceptedProfiles;
  /** Looks once more, where `hash` is not known: another replica may have published it just now. */
  readonly seek: (hash: string) => Promise<void>;
  /** Whether our own is published, and our watch has seen it. */
  readonly isPublished: () => boolean;
  /** Since the last word of the watch; nothing before the first. */
  readonly ageSeconds: () => number | undefined;
  readonly stop: () => void;
};

export type ProfilesEdges = {
  readonly store: ConfigMapStore;
  readonly watch: (handlers: {
    readonly onState: (state: StoredConfigMap | undefined) => void;
    readonly onError: (error: unknown) => void;
    readonly backoffMs: (attempt: number) => number;
  }) => () => void;
  readonly livePods: () => AsyncIterable<Pod>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  readonly onCount: (count: number) => void;
  /** Between passes, while all is well. */
  readonly everyMs: number;
};

const RETRY = { firstMs: 500, mostMs: 30_000 };
/** A stranger who sends made-up hashes causes no more than one look each second. */
const SEEK_EVERY_MS = 1_000;

/** Opens them: publishes ours at once and each ten minutes, watches all, and collects the dead. */
export const openProfiles = (published: PublishedProfile, edges: ProfilesEdges): Profiles => {
  const { store, clock, random, log, onCount } = edges;
  let known: AcceptedProfiles = new Map();
  let annotations: StoredConfigMap['annotations'] = {};
  let toldAt: number | undefined;
  let seeking: Promise<void> | undefined;
  let soughtAt = -Infinity;
  let failures = 0;

  const accepted = (): AcceptedProfiles => {
    const now = clock.now();
    return new Map([...known].filter(([hash]) => isCurrent({ annotations }, { hash, now })));
  };
  const learn = (state: StoredConfigMap | undefined): void => {
    const { profiles, faults } = readProfiles(state?.data ?? {});
    known = profiles;
    annotations = state?.annotations ?? {};
    onCount(profiles.size);
    if (faults.length > 0) log.warn('profiles refused', { faults: faults.map(describeFault) });
  };
  const pass = startLoop(async () => {
    try {
      await publish(store, published, clock.now());
      await collect(published, edges);
      failures = 0;
      return jitterMs(edges.everyMs, random);
    } catch (error) {
      failures += 1;
      log.warn('profiles not kept', errorFields(error));
      return backoffMs(failures, { ...RETRY, random });
    }
  });
  const stopWatch = edges.watch({
    onState: (state) => {
      toldAt = clock.monotonic();
      const wasPublished = known.has(published.hash);
      learn(state);
      if (wasPublished && !known.has(published.hash)) pass.wake();
    },
    onError: (error) => log.warn('watch of profiles failed', errorFields(error)),
    backoffMs: (attempt) => backoffMs(attempt, { ...RETRY, random }),
  });
  const look = async (): Promise<void> => {
    soughtAt = clock.monotonic();
    try {
      learn(await store.read());
    } catch (error) {
      log.warn('profiles not read', errorFields(error));
    } finally {
      seeking = undefined;
    }
  };

  return {
    accepted,
    seek: async (hash) => {
      if (hash === published.hash || accepted().has(hash)) return;
      if (seeking === undefined && clock.monotonic() - soughtAt < SEEK_EVERY_MS) return;
      seeking ??= look();
      await seeking;
    },
    isPublished: () => known.has(published.hash),
    ageSeconds: () => (toldAt === undefined ? undefined : (clock.monotonic() - toldAt) / 1000),
    stop: () => {
      pass.stop();
      stopWatch();
    },
  };
};

/** Without a cluster there are no other replicas, and no profile but our own. */
export const ownProfileOnly = (
  { hash, profile }: PublishedProfile,
  onCount: ProfilesEdges['onCount'],
): Profiles => {
  onCount(1);
  return {
    accepted: () => new Map([[hash, profile]]),
    seek: () => Promise.resolve(),
    isPublished: () => true,
    ageSeconds: () => undefined,
    stop: () => undefined,
  };
};

/** The profile that an injected pod names. */
export const profileNamedBy = (pod: Pod): string | undefined => {
  const [sidecar] = sidecarsOf(pod);
  return sidecar?.container.env?.find(({ name }) => name === SIDECAR_ENV.profile)?.value;
};

const publish = async (
  store: ConfigMapStore,
  { hash, text }: PublishedProfile,
  now: number,
): Promise<void> => {
  const time = stamp(now);
  const annotations = { [seenAnnotation(hash)]: time, [publishedAnnotation(hash)]: time };
  const change = { data: { [hash]: text }, annotations };
  try {
    await store.change(change);
  } catch (error) {
    if (!(error instanceof KubernetesError && error.code === 'notFound')) throw error;
    await store.create();
    await store.change(change);
  }
};

/** Pods first: one that appears later was injected by a replica that published within the hour. */
const collect = async (
  { hash }: PublishedProfile,
  { store, livePods, clock, log }: ProfilesEdges,
): Promise<void> => {
  const live = new Set([hash]);
  for await (const pod of livePods()) live.add(profileNamedBy(pod) ?? '');
  const state = await store.read();
  if (state === undefined) return;
  const { data, annotations } = collectProfiles(state, { live, now: clock.now() });
  const gone = Object.keys(data);
  if (gone.length + Object.keys(annotations).length === 0) return;
  await store.change({ data, annotations, resourceVersion: state.resourceVersion });
  if (gone.length > 0) log.info('profiles collected', { profiles: gone });
};
