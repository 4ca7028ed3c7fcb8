import { describe, expect, it } from '@jest/globals';
import { createLruCache } from './lru-cache.ts';
import { createTtlCache } from './ttl-cache.ts';

describe('createLruCache', () => {
  it('evicts the entry that was used least recently', () => {
    const cache = createLruCache<number>(2);
    cache.set('a', 1);
    cache.set('b', 2);
    cache.get('a');
    cache.set('c', 3);
    expect(['a', 'b', 'c'].map(cache.get)).toEqual([1, undefined, 3]);
  });

  it('forgets a deleted entry', () => {
    const cache = createLruCache<number>(2);
    cache.set('a', 1);
    cache.delete('a');
    expect(cache.get('a')).toBeUndefined();
  });
});

const createTestCache = (load: (key: string) => Promise<string>) => {
  const state = { nowMs: 0, loads: 0 };
  const get = createTtlCache({
    load: (key) => {
      state.loads += 1;
      return load(key);
    },
    ttlMs: 2_000,
    maxEntries: 2,
    monotonic: () => state.nowMs,
  });
  return { state, get };
};

describe('createTtlCache', () => {
  it('loads a key once for callers that ask at the same time', async () => {
    const { state, get } = createTestCache((key) => Promise.resolve(key));
    expect(await Promise.all([get('a'), get('a')])).toEqual(['a', 'a']);
    expect(state.loads).toBe(1);
  });

  it('loads a key again after its time to live', async () => {
    const { state, get } = createTestCache((key) => Promise.resolve(key));
    await get('a');
    state.nowMs = 2_000;
    await get('a');
    expect(state.loads).toBe(1);
    state.nowMs = 2_001;
    await get('a');
    expect(state.loads).toBe(2);
  });

  it('does not cache a failure', async () => {
    const { state, get } = createTestCache(() => Promise.reject(new Error('no')));
    await expect(get('a')).rejects.toThrow('no');
    await expect(get('a')).rejects.toThrow('no');
    expect(state.loads).toBe(2);
  });
});
