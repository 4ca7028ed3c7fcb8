import { createLruCache } from './lru-cache.ts';

/** Token buckets, one per key: each fills at `perSecond` and holds `burst`. */
export type TokenBucketOptions = {
  readonly perSecond: number;
  readonly burst: number;
  /** Keys remembered. The least recently used one is evicted, and starts again with a full bucket. */
  readonly capacity: number;
  /** Milliseconds. A clock that goes back adds no tokens and removes none. */
  readonly monotonic: () => number;
};

/**
 * Takes `amount` tokens, by default one, from the bucket of `key`.
 *
 * @param amount at most `burst`
 * @returns 0 when the tokens were taken; otherwise the milliseconds until they are available
 */
export type TakeTokens = (key: string, amount?: number) => number;

/** Creates the buckets: each is full at first. */
export const createTokenBuckets = ({
  perSecond,
  burst,
  capacity,
  monotonic,
}: TokenBucketOptions): TakeTokens => {
  const buckets = createLruCache<{ readonly level: number; readonly at: number }>(capacity);
  const computeLevel = (key: string, now: number): number => {
    const bucket = buckets.get(key);
    if (bucket === undefined) return burst;
    return Math.min(burst, bucket.level + (Math.max(0, now - bucket.at) / 1000) * perSecond);
  };
  return (key, amount = 1) => {
    const now = monotonic();
    const level = computeLevel(key, now);
    const isAvailable = level >= amount;
    buckets.set(key, { level: isAvailable ? level - amount : level, at: now });
    return isAvailable ? 0 : Math.ceil(((amount - level) / perSecond) * 1000);
  };
};
