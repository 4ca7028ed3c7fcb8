import { describe, expect, it } from '@jest/globals';
import { waitUntil } from '../../test/kit/retry.ts';
import { getRequestId, runWithRequestId } from './request-context.ts';
import { startReconcileLoop, type ReconcileLoopOptions } from './reconcile-loop.ts';

/** A loop with a schedule that the test triggers by hand. `random` 0.5 means no jitter. */
const startTestLoop = (reconcile: ReconcileLoopOptions['reconcile']) => {
  const scheduled: { readonly delayMs: number; readonly action: () => void }[] = [];
  const failures: unknown[] = [];
  let cancelled = 0;
  const loop = startReconcileLoop({
    reconcile,
    onFailure: (error) => failures.push(error),
    retry: { firstMs: 100, maxMs: 300 },
    random: () => 0.5,
    schedule: (delayMs, action) => {
      scheduled.push({ delayMs, action });
      return () => (cancelled += 1);
    },
  });
  const runNext = async (): Promise<void> => {
    scheduled.at(-1)?.action();
    await settle();
  };
  return { loop, scheduled, failures, runNext, countCancelled: () => cancelled };
};

const settle = () => new Promise((resolve) => setImmediate(resolve));

describe('startReconcileLoop', () => {
  it('runs at once and waits for the delay that the pass returned', async () => {
    let passes = 0;
    const { scheduled, runNext } = startTestLoop(() => Promise.resolve((passes += 1) * 1000));
    await settle();
    await runNext();
    expect(scheduled.map(({ delayMs }) => delayMs)).toEqual([1000, 2000]);
  });

  it('doubles the delay after each failure up to the maximum, and starts over after a success', async () => {
    const outcomes = [false, false, false, true, false];
    const { scheduled, failures, runNext } = startTestLoop(() =>
      outcomes.shift() === true ? Promise.resolve(5000) : Promise.reject(new Error('no')),
    );
    await settle();
    for (let pass = 0; pass < 4; pass += 1) await runNext();
    expect(scheduled.map(({ delayMs }) => delayMs)).toEqual([100, 200, 300, 5000, 100]);
    expect(failures).toHaveLength(4);
  });

  it('reports a pass that throws synchronously as a failure', async () => {
    const { failures } = startTestLoop(() => {
      throw new Error('no');
    });
    await settle();
    expect(failures).toEqual([new Error('no')]);
  });

  it('has in no pass the ID of the request that woke it', async () => {
    const ids: (string | undefined)[] = [];
    const loop = runWithRequestId('request-1', () =>
      startReconcileLoop({
        reconcile: () => Promise.resolve(ids.push(getRequestId())),
        onFailure: () => undefined,
        retry: { firstMs: 1, maxMs: 1 },
        random: () => 0.5,
      }),
    );
    await settle();
    runWithRequestId('request-2', loop.wake);
    await waitUntil(() => ids.length > 3 || undefined);
    loop.stop();
    expect(new Set(ids)).toEqual(new Set([undefined]));
  });

  it('starts a pass at once when it is woken while it waits', async () => {
    let passes = 0;
    const { loop, countCancelled } = startTestLoop(() => Promise.resolve((passes += 1)));
    await settle();
    loop.wake();
    await settle();
    expect([passes, countCancelled()]).toEqual([2, 1]);
  });

  it('schedules the next pass without delay when it is woken during a pass', async () => {
    const { promise, resolve } = Promise.withResolvers<number>();
    const { loop, scheduled } = startTestLoop(() => promise);
    loop.wake();
    resolve(5000);
    await settle();
    expect(scheduled.map(({ delayMs }) => delayMs)).toEqual([0]);
  });

  it('runs no further pass once it is stopped', async () => {
    const { promise, resolve } = Promise.withResolvers<number>();
    const { loop, scheduled } = startTestLoop(() => promise);
    loop.stop();
    resolve(0);
    await settle();
    loop.wake();
    expect(scheduled).toEqual([]);
  });
});
