import { setTimeout as pause } from 'node:timers/promises';

export type WaitOptions = { timeoutMs?: number; intervalMs?: number };
type Probe<T> = () => T | undefined | false | Promise<T | undefined | false>;

/**
 * Asks `probe` every 250 ms until it gives something other than undefined or false, and returns that.
 * A probe that throws counts as "not yet"; its last error is the cause when time is up (default 60 s).
 */
export async function waitFor<T>(
  description: string,
  probe: Probe<T>,
  options: WaitOptions = {},
): Promise<T> {
  const timeoutMs = options.timeoutMs ?? 60_000;
  const deadline = performance.now() + timeoutMs;
  let lastError: unknown;
  for (;;) {
    try {
      const answer = await probe();
      if (answer !== undefined && answer !== false) return answer;
      lastError = undefined;
    } catch (error) {
      if (error instanceof UnrecoverableError) throw error;
      lastError = error;
    }
    if (performance.now() > deadline) throw buildTimeoutError(description, timeoutMs, lastError);
    await pause(options.intervalMs ?? 250);
  }
}

/** Thrown by a probe that knows that waiting longer is no use. */
export class UnrecoverableError extends Error {
  override readonly name = 'HopelessError';
}

function buildTimeoutError(description: string, timeoutMs: number, cause: unknown): Error {
  const last = cause instanceof Error ? `; last: ${cause.message}` : '';
  return new Error(`waited ${timeoutMs / 1000} s for: ${description}${last}`, { cause });
}
