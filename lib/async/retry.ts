import type { Clock } from '../contract/clock.ts';
import type { ExchangeError } from '../contract/exchange.ts';

const BUDGET_MS = 10_000;
const FIRST_BACKOFF_MS = 200;
const LONGEST_BACKOFF_MS = 2_000;

/** `retry`: the same again, later; `reread`: once more with a fresh token; `final`: an answer. */
export type RetryAction = 'retry' | 'reread' | 'final';

/** What a failed attempt comes to. */
export type RetryDecision = {
  readonly action: RetryAction;
  /** What is thrown once nothing more is tried; it says how long to wait before another attempt. */
  readonly error: ExchangeError;
  /** To wait for just so long before the next attempt, instead of what the verdict says. */
  readonly pauseMs?: number;
};

export type RetryDeps = {
  readonly clock: Pick<Clock, 'monotonic'>;
  /** A number from 0 to 1, for jitter. */
  readonly random: () => number;
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
};

/**
 * What is worth another try is tried again within ten seconds, with backoff and full jitter, and not
 * before the other side wants it. An attempt under way may take its own time beyond that.
 *
 * @param attempt `isReread`: the one before said that its token was not accepted
 * @param judge of what an attempt threw; it may throw what is to be thrown as it is. `hasReread`: an
 *   attempt with a fresh token was made already, and no other will be
 * @throws the judgement's error, or the signal's reason
 */
export const retryWithBackoff =
  <T>(
    attempt: (isReread: boolean) => Promise<T>,
    judge: (thrown: unknown, hasReread: boolean) => RetryDecision,
    { clock, random, pause }: RetryDeps,
  ) =>
  async (signal: AbortSignal): Promise<T> => {
    const giveUpAt = clock.monotonic() + BUDGET_MS;
    let isReread = false;
    let hasReread = false;
    for (let count = 0; ; count += 1) {
      try {
        return await attempt(isReread);
      } catch (thrown) {
        signal.throwIfAborted();
        const { action, error, pauseMs } = judge(thrown, hasReread);
        const jitterMs = random() * Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** count);
        const waitMs = pauseMs ?? jitterMs + (error.retryAfterMs ?? 0);
        const isLast = action === 'final' || (action === 'reread' && hasReread);
        if (isLast || clock.monotonic() + waitMs >= giveUpAt) throw error;
        isReread = action === 'reread';
        hasReread ||= isReread;
        if (action === 'retry' || pauseMs !== undefined) await pause(waitMs, signal);
      }
    }
  };
