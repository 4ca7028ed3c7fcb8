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

/** What is in a bucket; below 0, it owes what it has given. */
export type BucketLevel = {
  readonly level: number;
  /** On the monotonic clock. */
  readonly at: number;
};

/** The levels of buckets that fill with time. */
export type BucketLevels = {
  /** As of now. */
  readonly read: (key: string) => BucketLevel;
  readonly set: (key: string, level: BucketLevel) => void;
  /** @returns milliseconds until a bucket of this level has `amount` */
  readonly computeWaitMs: (level: number, amount: number) => number;
};

/** Creates the levels: each bucket is full at first. */
export const createBucketLevels = ({
  perSecond,
  burst,
  capacity,
  monotonic,
}: TokenBucketOptions): BucketLevels => {
  const buckets = createLruCache<BucketLevel>(capacity);
  return {
    read: (key) => {
      const at = monotonic();
      const bucket = buckets.get(key);
      if (bucket === undefined) return { level: burst, at };
      const filled = (Math.max(0, at - bucket.at) / 1000) * perSecond;
      return { level: Math.min(burst, bucket.level + filled), at };
    },
    set: buckets.set,
    computeWaitMs: (level, amount) => Math.ceil(((amount - level) / perSecond) * 1000),
  };
};

/** Creates the buckets: each is full at first. */
export const createTokenBuckets = (options: TokenBucketOptions): TakeTokens => {
  const levels = createBucketLevels(options);
  return (key, amount = 1) => {
    const { level, at } = levels.read(key);
    const isAvailable = level >= amount;
    levels.set(key, { level: isAvailable ? level - amount : level, at });
    return isAvailable ? 0 : levels.computeWaitMs(level, amount);
  };
};
