import { ExchangeError } from '../lib/contract/exchange.ts';
import type { Clock } from '../lib/contract/clock.ts';
import type { Schedule } from '../lib/contract/schedule.ts';
import { subscribe, type Connect } from '../lib/runs/revocation-stream.ts';
import { round } from '../test/kit/statistics.ts';
import type { FleetResults, HerdFigures } from './fleet-results.ts';

export type HerdOptions = {
  /** Sidecars that follow the event stream of one authority, whose streams all end in one moment. */
  readonly streams: number;
  /** Milliseconds from that moment until the authority accepts connections again. */
  readonly awayMs: number;
  /** Streams that the authority opens in a second, one after the other. */
  readonly openedPerSecond: number;
  /** Concurrent verifications, above which the authority refuses with `overloaded`. */
  readonly verifications: number;
  /** Milliseconds of Retry-After of a refusal. */
  readonly retryAfterMs: number;
  /** Seed of the jitter. */
  readonly seed: number;
};

export type Herd = {
  /** Milliseconds since the streams ended, of each attempt to connect. */
  readonly attempts: readonly number[];
  /** The same, of each stream's first line, in the order of arrival. */
  readonly returned: readonly number[];
  /** Attempts that the authority refused as overloaded. */
  readonly refused: number;
};

/** Ends the simulation if streams never come back. */
const MAX_MS = 600_000;
/** A session that lasts at least one heartbeat resets the backoff. */
const SESSION_MS = 60_000;

/**
 * Simulates the restart of an authority in virtual time: every stream ends at once, and the sidecar's
 * own subscription, with its own jitter, opens each one again. Deterministic.
 */
export const simulateHerd = async (options: HerdOptions): Promise<Herd> => {
  const { streams, seed } = options;
  const time = createVirtualTime();
  const authority = createModelAuthority(options, time);
  const random = createRandom(seed);
  const token = buildToken(time.clock.now());
  const stops = Array.from({ length: streams }, () => {
    const { stop } = subscribe({
      ...time,
      random,
      readToken: () => token,
      connect: authority.connect,
      onContact: ignore,
      onRevocations: ignore,
      onPolicies: ignore,
      listFollowed: () => [],
      onFollowed: ignore,
      onConnected: ignore,
      onDisconnected: ignore,
    });
    return stop;
  });
  await time.advanceTo(SESSION_MS);
  authority.restart();
  await time.advanceUntil(() => authority.open() === streams, SESSION_MS + MAX_MS);
  const herd = authority.read();
  for (const stop of stops) stop();
  return herd;
};

/** The largest number of times within any window of `windowMs`; `times` ascending. */
export const countPeak = (times: readonly number[], windowMs: number): number => {
  let first = 0;
  let peak = 0;
  times.forEach((time, index) => {
    while (time - (times[first] ?? time) >= windowMs) first += 1;
    peak = Math.max(peak, index - first + 1);
  });
  return peak;
};

/** Defaults of the authority: `tuning.verifications`, and Retry-After of `overloaded`. It is back at once. */
export const VIRTUAL = { awayMs: 0, verifications: 256, retryAfterMs: 1_000, seed: 1 } as const;

/** The herd of an authority that opens as many streams in a second as its CPU time for each permits. */
export const measureVirtualHerd = async (
  streams: number,
  cpuMilliseconds: number,
): Promise<FleetResults['virtual']> => {
  const openedPerSecond = Math.round(1000 / cpuMilliseconds);
  const herd = await simulateHerd({ ...VIRTUAL, streams, openedPerSecond });
  return { ...toHerdFigures(herd, streams), openedPerSecond };
};

/** @param herd times in milliseconds, ascending */
export const toHerdFigures = (
  { attempts, returned }: Pick<Herd, 'attempts' | 'returned'>,
  streams: number,
): HerdFigures => ({
  lost: streams - returned.length,
  attempts: attempts.length,
  halfSeconds: round((returned[Math.ceil(returned.length / 2) - 1] ?? NaN) / 1000),
  allSeconds: round((returned.at(-1) ?? NaN) / 1000),
  peakInTenth: countPeak(attempts, 100),
  peakInSecond: countPeak(attempts, 1_000),
});

const ignore = (): void => undefined;

type VirtualTime = ReturnType<typeof createVirtualTime>;

/** Opens streams one after the other, and keeps them open with heartbeats. */
const createModelAuthority = (
  { awayMs, openedPerSecond, verifications, retryAfterMs }: HerdOptions,
  { clock, schedule }: VirtualTime,
) => {
  let restartedAt = -Infinity;
  let busyUntil = 0;
  let verifying = 0;
  let refused = 0;
  const attempts: number[] = [];
  const returned: number[] = [];
  const open = new Set<(error: Error) => void>();
  const isRestarted = (): boolean => restartedAt >= 0;
  const refuse = (code: string, waitMs?: number): ExchangeError =>
    new ExchangeError(
      'unavailable',
      code,
      code,
      waitMs === undefined ? {} : { retryAfterMs: waitMs },
    );

  const connect: Connect = (_opening, onLine, signal) =>
    new Promise((_, reject) => {
      const at = clock.monotonic();
      if (isRestarted()) attempts.push(at - restartedAt);
      if (isRestarted() && at < restartedAt + awayMs) {
        reject(refuse('authority_unreachable'));
        return;
      }
      if (isRestarted() && verifying >= verifications) {
        refused += 1;
        reject(refuse('overloaded', retryAfterMs));
        return;
      }
      verifying += 1;
      busyUntil = isRestarted() ? Math.max(busyUntil, at) + 1000 / openedPerSecond : at;
      schedule(busyUntil - at, () => {
        verifying -= 1;
        if (signal.aborted) return;
        open.add(reject);
        if (isRestarted()) returned.push(clock.monotonic() - restartedAt);
        const beat = (): void => {
          if (!open.has(reject)) return;
          onLine({ type: 'heartbeat' });
          schedule(5_000, beat);
        };
        onLine({ type: 'revocations', active: [] });
        beat();
      });
      signal.addEventListener('abort', () => {
        open.delete(reject);
        reject(new Error('aborted'));
      });
    });
  return {
    connect,
    open: () => open.size,
    restart: (): void => {
      restartedAt = clock.monotonic();
      const ended = [...open];
      open.clear();
      for (const end of ended) end(refuse('authority_unreachable'));
    },
    read: (): Herd => ({ attempts, returned, refused }),
  };
};

/** A clock and a schedule that do not move until they are advanced; due actions run in their order. */
export const createVirtualTime = () => {
  let elapsed = 0;
  const due = new Map<number, Set<() => void>>();
  const clock: Clock = { now: () => START + elapsed, monotonic: () => elapsed };
  const schedule: Schedule = (delayMs, action) => {
    const at = Math.ceil(elapsed + Math.max(0, delayMs));
    const actions = due.get(at) ?? new Set();
    due.set(at, actions.add(action));
    return () => void actions.delete(action);
  };
  const step = async (): Promise<void> => {
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve));
      const actions = due.get(elapsed);
      if (actions === undefined) return;
      due.delete(elapsed);
      for (const action of actions) action();
    }
  };
  const advanceUntil = async (isDone: () => boolean, maxMs: number): Promise<void> => {
    await step();
    while (elapsed < maxMs && !isDone()) {
      elapsed += 1;
      if (due.has(elapsed)) await step();
    }
  };
  return {
    clock,
    schedule,
    advanceUntil,
    advanceTo: (ms: number) => advanceUntil(() => false, ms),
  };
};

const START = Date.parse('2026-01-01T00:00:00Z');
const HOUR_SECONDS = 3_600;

/** A JWT that expires after the simulation. */
const buildToken = (now: number): string => {
  const claims = { exp: now / 1000 + HOUR_SECONDS };
  return `x.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.x`;
};

/** mulberry32: numbers from 0 to 1 that depend on the seed alone. */
export const createRandom = (seed: number): (() => number) => {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
};
