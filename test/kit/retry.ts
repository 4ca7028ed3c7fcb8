import { setTimeout as pause } from 'node:timers/promises';

export type WaitOptions = { timeoutMs?: number; intervalMs?: number };
type Probe<T> = () => T | undefined | false | Promise<T | undefined | false>;

/**
 * Calls `probe` every 250 ms until it returns something other than undefined or false, and returns that.
 * An error of the probe counts as "not yet".
 *
 * @throws Error after `timeoutMs` (60 s by default), with the probe's last error as its cause
 * @throws UnrecoverableError if the probe throws one
 */
export const waitFor = async <T>(
  description: string,
  probe: Probe<T>,
  { timeoutMs = 60_000, intervalMs = 250 }: WaitOptions = {},
): Promise<T> => {
  const deadline = performance.now() + timeoutMs;
  let lastError: unknown;
  for (;;) {
    try {
      const result = await probe();
      if (result !== undefined && result !== false) return result;
      lastError = undefined;
    } catch (error) {
      if (error instanceof UnrecoverableError) throw error;
      lastError = error;
    }
    if (performance.now() > deadline) throw buildTimeoutError(description, timeoutMs, lastError);
    await pause(intervalMs);
  }
};

/** Within the time that jest gives a test, so that the failure names the condition. */
const CONDITION_TIMEOUT_MS = 25_000;

/**
 * Calls `probe` every 5 ms until it returns something other than undefined or false, and returns that. An error of
 * the probe fails at once.
 *
 * @throws Error with the text of `probe` after 25 s, or what `probe` throws
 */
export const waitUntil = async <T>(probe: Probe<T>): Promise<T> => {
  const deadline = performance.now() + CONDITION_TIMEOUT_MS;
  for (;;) {
    const result = await probe();
    if (result !== undefined && result !== false) return result;
    if (performance.now() > deadline) {
      throw buildTimeoutError(probe.toString(), CONDITION_TIMEOUT_MS, undefined);
    }
    await pause(5);
  }
};

/** Thrown by a probe if further waiting cannot succeed. */
export class UnrecoverableError extends Error {
  override readonly name = 'UnrecoverableError';
}

const buildTimeoutError = (description: string, timeoutMs: number, cause: unknown): Error => {
  const last = cause instanceof Error ? `; last error: ${cause.message}` : '';
  return new Error(`waited ${timeoutMs / 1000} s for: ${description}${last}`, { cause });
};

/** A process whose readiness or end is awaited. */
export type WatchedProcess = {
  readonly name: string;
  readonly isRunning: () => boolean;
  /** Fulfilled with its exit code, or the name of the signal that ended it. */
  readonly ended: Promise<number | string>;
  /** The last lines of its log. */
  readonly lastLog: () => string;
};

/**
 * Waits until a process is ready; polls every 20 ms.
 *
 * @returns milliseconds it took
 * @throws Error with the last lines of its log if it ends first or is not ready in time
 */
export const waitUntilReady = async (
  watched: WatchedProcess,
  isReady: () => Promise<boolean>,
  { timeoutMs = 20_000 } = {},
): Promise<number> => {
  const startedAt = performance.now();
  const probe = async (): Promise<boolean> => {
    if (await isReady().catch(() => false)) return true;
    if (!watched.isRunning()) throw new UnrecoverableError('ended before it was ready');
    return false;
  };
  try {
    await waitFor(`${watched.name} to be ready`, probe, { timeoutMs, intervalMs: 20 });
  } catch (error) {
    const isEnded = error instanceof UnrecoverableError;
    throw buildProcessError(watched, isEnded ? error.message : 'was not ready in time');
  }
  return performance.now() - startedAt;
};

/**
 * Waits until a process ends.
 *
 * @throws Error with the last lines of its log if it ends with another code than 0, or not in time
 */
export const waitForEnd = async (watched: WatchedProcess, timeoutMs: number): Promise<void> => {
  const timer = new AbortController();
  const late = pause(timeoutMs, undefined, { signal: timer.signal }).then(() => 'late' as const);
  const end = await Promise.race([watched.ended, late.catch(() => 'late' as const)]);
  timer.abort();
  if (end === 'late') throw buildProcessError(watched, 'did not end in time');
  if (end !== 0) throw buildProcessError(watched, `ended with ${end}`);
};

const buildProcessError = ({ name, lastLog }: WatchedProcess, problem: string): Error =>
  new Error(`${name} ${problem}; its last lines:\n${lastLog()}`);

const MAX_ATTEMPTS = 5;
/** The first delay of the Job controller. */
const RETRY_DELAY_MS = 1_000;

/** Repeats a refused attempt as a controller does, up to five times; returns the outcomes of all attempts. */
export const retryAttempts = async <T>(
  attempt: () => Promise<T>,
  isRefused: (outcome: T) => boolean,
  retryDelayMs = RETRY_DELAY_MS,
): Promise<[T, ...T[]]> => {
  let last = await attempt();
  const outcomes: [T, ...T[]] = [last];
  while (isRefused(last) && outcomes.length < MAX_ATTEMPTS) {
    await pause(retryDelayMs);
    last = await attempt();
    outcomes.push(last);
  }
  return outcomes;
};
