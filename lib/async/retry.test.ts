import { describe, expect, it } from '@jest/globals';
import { ExchangeError } from '../contract/exchange.ts';
import { retryUntilSuccess, retryWithBackoff, type RetryDecision } from './retry.ts';

const unavailable = (retryAfterMs?: number): ExchangeError =>
  new ExchangeError('unavailable', 'busy', 'busy', {
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });

/** Runs attempts that all fail with these decisions, on a clock that only pauses move. */
const runFailing = async (decisions: readonly RetryDecision[]) => {
  const pauses: number[] = [];
  const rereads: boolean[] = [];
  let nowMs = 0;
  const result = retryWithBackoff(
    {
      attempt: (isReread) => {
        rereads.push(isReread);
        return Promise.reject(new Error('attempt'));
      },
      evaluate: () => decisions[rereads.length - 1] ?? { action: 'final', error: unavailable() },
    },
    {
      clock: { monotonic: () => nowMs },
      random: () => 1,
      pause: (ms) => {
        pauses.push(ms);
        nowMs += ms;
        return Promise.resolve();
      },
    },
    new AbortController().signal,
  );
  await expect(result).rejects.toThrow('busy');
  return { pauses, rereads };
};

describe('retryWithBackoff', () => {
  it('backs off exponentially up to two seconds and gives up within ten seconds', async () => {
    const retry = { action: 'retry', error: unavailable() } as const;
    const { pauses } = await runFailing(Array.from({ length: 20 }, () => retry));
    expect(pauses).toEqual([200, 400, 800, 1600, 2000, 2000, 2000]);
  });

  it('adds the delay that the server asks for', async () => {
    const { pauses } = await runFailing([{ action: 'retry', error: unavailable(1000) }]);
    expect(pauses).toEqual([1200]);
  });

  it('rereads the token once, without a pause', async () => {
    const reread = { action: 'reread', error: unavailable() } as const;
    const { pauses, rereads } = await runFailing([reread, reread, reread]);
    expect([pauses, rereads]).toEqual([[], [false, true]]);
  });

  it('pauses before a reread where the decision says so', async () => {
    const { pauses } = await runFailing([{ action: 'reread', error: unavailable(), pauseMs: 700 }]);
    expect(pauses).toEqual([700]);
  });

  it('does not repeat a final failure', async () => {
    const { rereads } = await runFailing([{ action: 'final', error: unavailable() }]);
    expect(rereads).toHaveLength(1);
  });
});

describe('retryUntilSuccess', () => {
  it('reports each failure and returns the first success', async () => {
    const failures: unknown[] = [];
    const pauses: number[] = [];
    let attempts = 0;
    const result = await retryUntilSuccess(
      () => ((attempts += 1) < 4 ? Promise.reject(new Error('no')) : Promise.resolve('yes')),
      {
        onFailure: (error) => failures.push(error),
        retry: { firstMs: 100, maxMs: 300 },
        random: () => 0.5,
        pause: (ms) => {
          pauses.push(ms);
          return Promise.resolve();
        },
      },
    );
    expect([result, failures.length, pauses]).toEqual(['yes', 3, [100, 200, 300]]);
  });
});
