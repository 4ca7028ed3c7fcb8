import type { Recorder } from '../../lib/audit/audit-event.ts';
import type { Revocation } from '../../lib/contract/authority-api.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import type { StateOrigin } from '../../lib/edge/kubernetes/object-watch.ts';
import { isRestored } from '../../lib/edge/kubernetes/store-history.ts';
import { RequestError } from '../../lib/exchange/token-refusal.ts';
import { formatFieldError, type Result } from '../../lib/schema/field-error.ts';
import {
  indexRevocations,
  type RevocationIndex,
  type RevocationTarget,
} from '../../lib/revocation/matching.ts';
import { buildObservedEvents } from '../../lib/revocation/observed-revocations.ts';
import { readRevocation } from '../../lib/revocation/revocation.ts';
import { createWatchBackoff } from '../../lib/server/watch-backoff.ts';
import type { WatchSync } from '../../lib/server/watch-sync.ts';
import type { OnFailure } from './failures.ts';
import { createAuditQueue } from './audit-queue.ts';
import { createLostRevocations, type LostRevocationDeps } from './lost-revocations.ts';
import type { RevocationMemory } from './revocation-memory.ts';
import type { WatchResources } from './resource-watch.ts';

/** The current Revocations, as last received from the API server. */
export type RevocationWatch = {
  /**
   * The Revocation that prevents this run from starting now.
   *
   * @throws RequestError `revocations_unavailable` if they are not loaded, stale or invalid
   */
  readonly find: (run: RevocationTarget) => Revocation | undefined;
  /** All Revocations, including those past their `until`, and lost ones until they are created again. */
  readonly index: () => RevocationIndex;
  /** The same, and before the first list what the process before knew. */
  readonly listInForce: () => readonly Revocation[];
  /** Calls `listener` after each change and each passed `until`; returns the unsubscribe function. */
  readonly subscribe: (listener: () => void) => () => void;
  /** Whether the state is complete and current. */
  readonly isCurrent: () => boolean;
  readonly stop: () => void;
};

export type RevocationWatchDeps = Pick<
  LostRevocationDeps,
  'create' | 'maxLifetimeSeconds' | 'onLost'
> & {
  readonly watch: WatchResources;
  /** The authority's own name at the API server: `system:serviceaccount:<namespace>:<name>`. */
  readonly by: string;
  readonly memory: RevocationMemory;
  readonly record: Recorder;
  readonly sync: WatchSync;
  readonly clock: Clock;
  readonly random: () => number;
  readonly onFailure: OnFailure;
  readonly onCount: (count: number) => void;
};

const RETRY = { firstMs: 250, maxMs: 10_000 };
/** The API server confirms a watch every 20 s. */
export const STALE_AFTER_SECONDS = 60;
/**
 * A restore is recognized by the version of the store, so that is remembered even if no Revocation changes: each time that
 * the API server confirms the watch. A restored store that overtakes it before the next start passes for one that continued.
 */
const REMEMBER_EVERY_MS = 10_000;
/** Maximum delay of a Node.js timer. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * Watches all Revocations, replaces the whole state, notifies listeners, and records new ones. Those that a restored
 * store lacks stay in force and are created again: only a deletion lifts a Revocation.
 */
export const watchRevocations = (deps: RevocationWatchDeps): RevocationWatch => {
  const { sync, clock, random, onFailure } = deps;
  const { remembered } = deps.memory;
  const listeners = new Set<() => void>();
  const records = createAuditQueue(deps);
  const lost = createLostRevocations(deps);
  const readAll = createStoredReader();
  const memory = createStateMemory(deps);
  let index = indexRevocations([]);
  let known: ReadonlySet<string> | undefined;
  let unreadable: readonly string[] = [];
  let hasMissing = false;

  const notify = (): void => listeners.forEach((listener) => listener());
  const untilTimer = createUntilTimer(clock, notify);
  const listInForce = (): readonly Revocation[] =>
    known === undefined ? (remembered?.revocations ?? []) : index.all;
  /** What was lost is remembered at the version before, until it exists again. */
  const remember = (version: string): void => {
    if (known !== undefined && !hasMissing) memory.remember(version, index.all);
  };
  const applyState = (all: readonly object[], origin: StateOrigin): void => {
    const { revocations, faults } = readAll(all);
    unreadable = faults;
    if (origin.isRestored) lost.addMissing(listInForce(), revocations);
    const missing = lost.listMissing(revocations);
    const inForce = [...revocations, ...missing];
    index = indexRevocations(inForce);
    hasMissing = missing.length > 0;
    deps.onCount(index.all.length);
    records.add(buildObservedEvents(revocations, { known, by: deps.by, now: clock.now() }));
    known = new Set(revocations.map(({ uid }) => uid));
    remember(origin.version);
    untilTimer.start(inForce);
    notify();
  };
  const findGap = (): string | undefined => {
    if (known === undefined) return 'revocations: expected to be listed, got no list yet';
    const age = sync.ageSeconds() ?? Infinity;
    if (age > STALE_AFTER_SECONDS) {
      return `revocations: expected an update within ${STALE_AFTER_SECONDS} s, got none for ${Math.floor(age)} s`;
    }
    return unreadable[0];
  };
  const stopWatch = deps.watch({
    onState: applyState,
    onSync: (version) => {
      sync.markSynced();
      if (memory.isDue(version)) remember(version);
    },
    ...(remembered !== undefined && { lastVersion: remembered.version }),
    onError: (error) => onFailure('revocation watch disconnected', error),
    backoffMs: createWatchBackoff(random, RETRY),
  });

  return {
    find: (run) => {
      const missing = findGap();
      if (missing !== undefined) throw new RequestError('revocations_unavailable', missing);
      return index.find(run, clock.now());
    },
    index: () => index,
    listInForce,
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    isCurrent: () => findGap() === undefined,
    stop: () => {
      stopWatch();
      records.stop();
      lost.stop();
      untilTimer.stop();
    },
  };
};

/** Each change delivers all resources; unchanged ones are the same objects. */
const createStoredReader = () => {
  const parsed = new WeakMap<object, Result<Revocation>>();
  const read = (stored: object): Result<Revocation> => {
    const result = parsed.get(stored) ?? readRevocation(stored);
    parsed.set(stored, result);
    return result;
  };
  return (all: readonly object[]) => {
    const results = all.map(read);
    return {
      revocations: results.flatMap((result) => (result.ok ? [result.value] : [])),
      faults: results.flatMap((result) => (result.ok ? [] : result.faults)).map(formatFieldError),
    };
  };
};

/** Calls `notify` at each `until` that passes. */
const createUntilTimer = ({ now }: Pick<Clock, 'now'>, notify: () => void) => {
  let timer: NodeJS.Timeout | undefined;
  const start = (all: readonly Revocation[]): void => {
    clearTimeout(timer);
    const at = now();
    const ends = all.map(({ spec }) => Date.parse(spec.until ?? '')).filter((end) => end > at);
    if (ends.length === 0) return;
    const nextMs = Math.min(ends.reduce((one, other) => Math.min(one, other)) - at, MAX_TIMER_MS);
    timer = setTimeout(() => {
      start(all);
      notify();
    }, nextMs);
    timer.unref();
  };
  return { start, stop: () => clearTimeout(timer) };
};

/** What the next process will know of the state. */
const createStateMemory = ({ memory, clock }: Pick<RevocationWatchDeps, 'memory' | 'clock'>) => {
  let rememberedAt = -Infinity;
  let rememberedVersion = '';
  return {
    remember: (version: string, revocations: readonly Revocation[]): void => {
      rememberedAt = clock.monotonic();
      rememberedVersion = version;
      memory.remember({ version, revocations });
    },
    /** The state of a restored store comes after its version. */
    isDue: (version: string): boolean =>
      clock.monotonic() - rememberedAt >= REMEMBER_EVERY_MS &&
      !isRestored(rememberedVersion, version),
  };
};
