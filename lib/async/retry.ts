import type { Clock } from '../contract/clock.ts';
import type { ExchangeError } from '../contract/exchange.ts';
import { computeBackoffMs, computeFullJitterMs, type BackoffOptions } from './backoff.ts';

/** By default, no attempt starts later than this after the first. */
export const RETRY_BUDGET_MS = 10_000;
const BACKOFF = { firstMs: 200, maxMs: 2_000 };

/** `retry`: repeat after a delay; `reread`: repeat once with a fresh token; `final`: do not repeat. */
export type RetryAction = 'retry' | 'reread' | 'final';

/** The decision on a failed attempt. */
export type RetryDecision = {
  readonly action: RetryAction;
  /** Thrown when there is no further attempt. Its `retryAfterMs` delays the next attempt. */
  readonly error: ExchangeError;
  /** A fixed delay before the next attempt. Replaces backoff and `retryAfterMs`. */
  readonly pauseMs?: number;
};

export type RetryDeps = {
  readonly clock: Pick<Clock, 'monotonic'>;
  /** A number from 0 to 1, for jitter. */
  readonly random: () => number;
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
  /** No attempt starts later than this after the first. */
  readonly budgetMs?: number;
};

export type RetryOptions<T> = {
  /** `isReread`: the previous attempt failed because its token was not accepted. */
  readonly attempt: (isReread: boolean) => Promise<T>;
  /**
   * Decides on what an attempt threw; may throw what must not be retried or converted. `hasReread`: an
   * attempt with a fresh token was already made, and there will be no other.
   */
  readonly evaluate: (thrown: unknown, hasReread: boolean) => RetryDecision;
  /** Receives the error of each attempt that is repeated. */
  readonly onRetry?: ((error: ExchangeError) => void) | undefined;
};

/**
 * Repeats an exchange with backoff and full jitter. Attempts start within `budgetMs` of the first and
 * not before the server's `retryAfterMs`; an attempt in progress may take longer.
 *
 * @throws ExchangeError the decision's error; the signal's reason after an abort
 */
export const retryWithBackoff = async <T>(
  { attempt, evaluate, onRetry }: RetryOptions<T>,
  { clock, random, pause, budgetMs = RETRY_BUDGET_MS }: RetryDeps,
  signal: AbortSignal,
): Promise<T> => {
  const giveUpAt = clock.monotonic() + budgetMs;
  let isReread = false;
  let hasReread = false;
  for (let failures = 1; ; failures += 1) {
    try {
      return await attempt(isReread);
    } catch (thrown) {
      signal.throwIfAborted();
      const { action, error, pauseMs } = evaluate(thrown, hasReread);
      const backoffMs = computeFullJitterMs(failures, { ...BACKOFF, random });
      const waitMs = pauseMs ?? backoffMs + (error.retryAfterMs ?? 0);
      const isLast = action === 'final' || (action === 'reread' && hasReread);
      if (isLast || clock.monotonic() + waitMs >= giveUpAt) throw error;
      onRetry?.(error);
      isReread = action === 'reread';
      hasReread ||= isReread;
      if (action === 'retry' || pauseMs !== undefined) await pause(waitMs, signal);
    }
  }
};

/**
 * Repeats an attempt until it succeeds, with the backoff of a control loop.
 *
 * @param options.pause waits so many milliseconds
 */
export const retryUntilSuccess = async <T>(
  attempt: () => Promise<T>,
  {
    onFailure,
    retry,
    random,
    pause,
  }: {
    readonly onFailure: (error: unknown) => void;
    readonly retry: BackoffOptions;
    readonly random: () => number;
    readonly pause: (ms: number) => Promise<void>;
  },
): Promise<T> => {
  for (let failures = 1; ; failures += 1) {
    try {
      return await attempt();
    } catch (error) {
      onFailure(error);
      await pause(computeBackoffMs(failures, { ...retry, random }));
    }
  }
};
