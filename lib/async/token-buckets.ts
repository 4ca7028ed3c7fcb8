/** Token buckets, one per key: each fills at `perSecond` and holds `burst`. */
export type TokenBucketOptions = {
  readonly perSecond: number;
  readonly burst: number;
  /** Keys remembered; the one asked for longest ago is forgotten, and begins anew with a full bucket. */
  readonly capacity: number;
  /** Milliseconds; a clock that goes back gives nothing, and takes nothing. */
  readonly monotonic: () => number;
};

/**
 * Takes `amount`, or one, from the bucket of `key`.
 *
 * @param amount at most what a bucket holds
 * @returns 0 when it was there; else the milliseconds until it is
 */
export type TakeTokens = (key: string, amount?: number) => number;

export const createTokenBuckets = ({
  perSecond,
  burst,
  capacity,
  monotonic,
}: TokenBucketOptions): TakeTokens => {
  const buckets = new Map<string, { level: number; at: number }>();
  const getLevel = (key: string, now: number): number => {
    const known = buckets.get(key);
    if (known === undefined) return burst;
    return Math.min(burst, known.level + (Math.max(0, now - known.at) / 1000) * perSecond);
  };
  const storeBucket = (key: string, bucket: { level: number; at: number }): void => {
    buckets.delete(key);
    buckets.set(key, bucket);
    const [oldest] = buckets.keys();
    if (buckets.size > capacity && oldest !== undefined) buckets.delete(oldest);
  };
  return (key, amount = 1) => {
    const now = monotonic();
    const level = getLevel(key, now);
    const isThere = level >= amount;
    storeBucket(key, { level: isThere ? level - amount : level, at: now });
    return isThere ? 0 : Math.ceil(((amount - level) / perSecond) * 1000);
  };
};
