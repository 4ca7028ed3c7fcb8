import { describe, expect, it } from '@jest/globals';
import { createSingleFlight } from './single-flight.ts';

describe('createSingleFlight', () => {
  it('shares one call among concurrent callers, then starts another', async () => {
    let calls = 0;
    const fetch = createSingleFlight(() => Promise.resolve((calls += 1)));
    expect(await Promise.all([fetch(), fetch()])).toEqual([1, 1]);
    expect(await fetch()).toBe(2);
  });

  it('starts another call after a failure', async () => {
    let calls = 0;
    const fetch = createSingleFlight(() =>
      (calls += 1) === 1 ? Promise.reject(new Error('no')) : Promise.resolve('yes'),
    );
    await expect(Promise.all([fetch(), fetch()])).rejects.toThrow('no');
    expect(await fetch()).toBe('yes');
  });

  it('is not blocked by a call that throws synchronously', async () => {
    let calls = 0;
    const fetch = createSingleFlight(() => {
      if ((calls += 1) === 1) throw new Error('no');
      return Promise.resolve('yes');
    });
    expect(() => fetch()).toThrow('no');
    expect(await fetch()).toBe('yes');
  });

  it('keeps a result for as long as its retention says', async () => {
    let calls = 0;
    const evictions: { readonly delayMs: number; readonly action: () => void }[] = [];
    const fetch = createSingleFlight(() => Promise.resolve((calls += 1)), {
      computeRetentionMs: (result) => (result === 1 ? 500 : 0),
      schedule: (delayMs, action) => {
        evictions.push({ delayMs, action });
        return () => undefined;
      },
    });
    expect([await fetch(), await fetch()]).toEqual([1, 1]);
    expect(evictions.map(({ delayMs }) => delayMs)).toEqual([500]);
    evictions[0]?.action();
    expect([await fetch(), await fetch()]).toEqual([2, 3]);
  });
});
