import type { Recorder } from '../../lib/audit/audit-event.ts';
import type { Revocation } from '../../lib/contract/authority-api.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import { IssuingError } from '../../lib/exchange/token-refusal.ts';
import { formatFieldError, type Result } from '../../lib/schema/field-error.ts';
import {
  indexRevocations,
  type RevocationIndex,
  type RevocationTarget,
} from '../../lib/revocation/matching.ts';
import { buildObservedEvents } from '../../lib/revocation/observed-revocations.ts';
import { readRevocation } from '../../lib/revocation/revocation.ts';
import { computeBackoffMs } from '../../lib/async/backoff.ts';
import type { OnFailure } from './failures.ts';
import { createAuditQueue } from './audit-queue.ts';
import type { WatchResources } from './resource-watch.ts';

/** Those that stand, as the API server last told them. */
export type RevocationWatch = {
  /**
   * The Revocation that keeps this run from starting now.
   *
   * @throws IssuingError `revocations_unavailable`: not known, or for too long unheard of
   */
  readonly find: (run: RevocationTarget) => Revocation | undefined;
  /** All that stand, those past their `until` too. */
  readonly index: () => RevocationIndex;
  /** Calls `listener` after each change, and when a Revocation's `until` passes; answers the way out. */
  readonly subscribe: (listener: () => void) => () => void;
  /** Whether what is known is all, and recent. */
  readonly isCurrent: () => boolean;
  /** Since the last word of the watch; nothing before the first. */
  readonly ageSeconds: () => number | undefined;
  readonly stop: () => void;
};

export type RevocationWatchDeps = {
  readonly watch: WatchResources;
  /** The authority's own name at the API server: `system:serviceaccount:<namespace>:<name>`. */
  readonly by: string;
  readonly record: Recorder;
  readonly clock: Clock;
  readonly random: () => number;
  readonly onFailure: OnFailure;
  readonly onCount: (count: number) => void;
};

const RETRY = { firstMs: 250, maxMs: 10_000 };
/** A watch is heard of each 20 s; nothing for so long is no accident. */
export const STALE_AFTER_SECONDS = 60;
/** A timer of Node's holds no more. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Opens them: watches all, swaps the whole state, tells whoever listens, records what is new. */
export const watchRevocations = (edges: RevocationWatchDeps): RevocationWatch => {
  const { clock, random, onFailure } = edges;
  const listeners = new Set<() => void>();
  const records = createAuditQueue(edges);
  const parsed = new WeakMap<object, Result<Revocation>>();
  let index = indexRevocations([]);
  let known: ReadonlySet<string> | undefined;
  let unreadable: readonly string[] = [];
  let lastSyncAt: number | undefined;
  let untilTimer: NodeJS.Timeout | undefined;

  const notify = (): void => listeners.forEach((listener) => listener());
  const awaitUntil = (all: readonly Revocation[]): void => {
    clearTimeout(untilTimer);
    const now = clock.now();
    const ends = all.map(({ spec }) => Date.parse(spec.until ?? '')).filter((end) => end > now);
    if (ends.length === 0) return;
    const nextMs = Math.min(ends.reduce((one, other) => Math.min(one, other)) - now, MAX_TIMER_MS);
    untilTimer = setTimeout(() => {
      awaitUntil(all);
      notify();
    }, nextMs);
    untilTimer.unref();
  };
  /** The watch tells all of them at each change, and never alters one. */
  const parseStored = (stored: object): Result<Revocation> => {
    const result = parsed.get(stored) ?? readRevocation(stored);
    parsed.set(stored, result);
    return result;
  };
  const applyState = (all: readonly object[]): void => {
    const results = all.map(parseStored);
    const faults = results.flatMap((result) => (result.ok ? [] : result.faults));
    const revocations = results.flatMap((result) => (result.ok ? [result.value] : []));
    unreadable = faults.map(formatFieldError);
    index = indexRevocations(revocations);
    edges.onCount(index.all.length);
    records.add(buildObservedEvents(revocations, { known, by: edges.by, now: clock.now() }));
    known = new Set(revocations.map(({ uid }) => uid));
    awaitUntil(revocations);
    notify();
  };
  const ageSeconds = (): number | undefined =>
    lastSyncAt === undefined ? undefined : (clock.monotonic() - lastSyncAt) / 1000;
  const findGap = (): string | undefined => {
    if (known === undefined) return 'revocations: expected to be listed, got no list yet';
    const age = ageSeconds() ?? Infinity;
    if (age > STALE_AFTER_SECONDS) {
      return `revocations: expected word within ${STALE_AFTER_SECONDS} s, got none for ${Math.floor(age)} s`;
    }
    return unreadable[0];
  };
  const stopWatch = edges.watch({
    onState: applyState,
    onSync: () => (lastSyncAt = clock.monotonic()),
    onError: (error) => onFailure('watch of revocations failed', error),
    backoffMs: (attempt) => computeBackoffMs(attempt, { ...RETRY, random }),
  });

  return {
    find: (run) => {
      const missing = findGap();
      if (missing !== undefined) throw new IssuingError('revocations_unavailable', missing);
      return index.find(run, clock.now());
    },
    index: () => index,
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    isCurrent: () => findGap() === undefined,
    ageSeconds,
    stop: () => {
      stopWatch();
      records.stop();
      clearTimeout(untilTimer);
    },
  };
};
