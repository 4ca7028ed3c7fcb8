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
import { backoffMs, jitterMs, startLoop } from '../../lib/rounds/loop.ts';
import { errorFields } from './error-fields.ts';
import {
  collectProfiles,
  isCurrent,
  publishedAnnotation,
  seenAnnotation,
  stamp,
} from './profile-collection.ts';

/** The profiles that pods may have been injected from, kept together with the other replicas. */
export type Profiles = {
  /** From now on this one is ours: it is published first, and injected once all can know it. */
  readonly use: (profile: PublishedProfile) => void;
  /** Ours: the newest that our watch has seen published. Nothing: none has been. */
  readonly published: () => PublishedProfile | undefined;
  /** Those that a new pod may have been injected from: a running replica injects by them. */
  readonly accepted: () => AcceptedProfiles;
  /** Looks once more, where `hash` is not known: another replica may have published it just now. */
  readonly seek: (hash: string) => Promise<void>;
  /** Whether what we inject stands there still. */
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
/** A look during which the watch told something is repeated: it may have been asked before that. */
const MAX_LOOKS = 3;

/** Opens them: publishes ours at once and each ten minutes, watches all, and collects the dead. */
export const openProfiles = (edges: ProfilesEdges): Profiles => {
  const { store, clock, random, log, onCount } = edges;
  let known: AcceptedProfiles = new Map();
  let annotations: StoredConfigMap['annotations'] = {};
  let toldAt: number | undefined;
  let told = 0;
  let seeking: Promise<void> | undefined;
  let soughtAt = -Infinity;
  let failures = 0;
  let injected: PublishedProfile | undefined;
  let wanted: PublishedProfile | undefined;

  /** What is injected stays published until what shall be takes its place. */
  const ours = (): readonly PublishedProfile[] =>
    [wanted, injected].filter((each) => each !== undefined);
  const accepted = (): AcceptedProfiles => {
    const now = clock.now();
    return new Map([...known].filter(([hash]) => isCurrent({ annotations }, { hash, now })));
  };
  const adopt = (): void => {
    if (wanted === undefined || wanted === injected || !known.has(wanted.hash)) return;
    injected = wanted;
    log.info('profile in use', { profile: injected.hash });
  };
  const learn = (state: StoredConfigMap | undefined): void => {
    const { profiles, faults } = readProfiles(state?.data ?? {});
    known = profiles;
    annotations = state?.annotations ?? {};
    onCount(profiles.size);
    if (faults.length > 0) log.warn('profiles refused', { faults: faults.map(describeFault) });
    adopt();
  };
  const pass = startLoop(async () => {
    if (ours().length === 0) return edges.everyMs;
    try {
      await publish(store, ours(), clock.now());
      await collect(ours(), edges);
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
      told += 1;
      const before = known;
      learn(state);
      if (ours().some(({ hash }) => before.has(hash) && !known.has(hash))) pass.wake();
    },
    onError: (error) => log.warn('watch of profiles failed', errorFields(error)),
    backoffMs: (attempt) => backoffMs(attempt, { ...RETRY, random }),
  });
  const learnNow = async (): Promise<void> => {
    for (let looks = 0; looks < MAX_LOOKS; looks += 1) {
      const before = told;
      const state = await store.read();
      if (told !== before) continue;
      learn(state);
      return;
    }
  };
  const look = async (): Promise<void> => {
    soughtAt = clock.monotonic();
    try {
      await learnNow();
    } catch (error) {
      log.warn('profiles not read', errorFields(error));
    } finally {
      seeking = undefined;
    }
  };

  return {
    use: (profile) => {
      if (profile.hash === wanted?.hash) return;
      wanted = profile;
      adopt();
      pass.wake();
    },
    published: () => injected,
    accepted,
    seek: async (hash) => {
      if (hash === injected?.hash || accepted().has(hash)) return;
      if (seeking === undefined && clock.monotonic() - soughtAt < SEEK_EVERY_MS) return;
      seeking ??= look();
      await seeking;
    },
    isPublished: () => injected !== undefined && known.has(injected.hash),
    ageSeconds: () => (toldAt === undefined ? undefined : (clock.monotonic() - toldAt) / 1000),
    stop: () => {
      pass.stop();
      stopWatch();
    },
  };
};

/** Without a cluster there are no other replicas, and no profile but our own. */
export const ownProfileOnly = (onCount: ProfilesEdges['onCount']): Profiles => {
  let own: PublishedProfile | undefined;
  return {
    use: (profile) => {
      own = profile;
      onCount(1);
    },
    published: () => own,
    accepted: () => new Map(own && [[own.hash, own.profile]]),
    seek: () => Promise.resolve(),
    isPublished: () => own !== undefined,
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
  ours: readonly PublishedProfile[],
  now: number,
): Promise<void> => {
  const time = stamp(now);
  const change = {
    data: Object.fromEntries(ours.map(({ hash, text }) => [hash, text])),
    annotations: Object.fromEntries(
      ours.flatMap(({ hash }) => [
        [seenAnnotation(hash), time],
        [publishedAnnotation(hash), time],
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
const collect = async (
  ours: readonly PublishedProfile[],
  { store, livePods, clock, log }: ProfilesEdges,
): Promise<void> => {
  const live = new Set(ours.map(({ hash }) => hash));
  for await (const pod of livePods()) live.add(profileNamedBy(pod) ?? '');
  const state = await store.read();
  if (state === undefined) return;
  const { data, annotations } = collectProfiles(state, { live, now: clock.now() });
  const gone = Object.keys(data);
  if (gone.length + Object.keys(annotations).length === 0) return;
  await store.change({ data, annotations, resourceVersion: state.resourceVersion });
  if (gone.length > 0) log.info('profiles collected', { profiles: gone });
};
