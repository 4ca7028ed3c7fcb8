/** Token buckets, one per key: each fills at `perSecond` and holds `burst`. */
export type BucketTerms = {
  readonly perSecond: number;
  readonly burst: number;
  /** Keys remembered; the one asked for longest ago is forgotten, and begins anew with a full bucket. */
  readonly capacity: number;
  /** Milliseconds. */
  readonly monotonic: () => number;
};

/**
 * Takes one from the bucket of `key`.
 *
 * @returns 0 when there was one; else the milliseconds until there is
 */
export type TakeFrom = (key: string) => number;

export const openBuckets = ({ perSecond, burst, capacity, monotonic }: BucketTerms): TakeFrom => {
  const buckets = new Map<string, { level: number; at: number }>();
  const levelOf = (key: string, now: number): number => {
    const known = buckets.get(key);
    if (known === undefined) return burst;
    return Math.min(burst, known.level + ((now - known.at) / 1000) * perSecond);
  };
  const keep = (key: string, bucket: { level: number; at: number }): void => {
    buckets.delete(key);
    buckets.set(key, bucket);
    const [oldest] = buckets.keys();
    if (buckets.size > capacity && oldest !== undefined) buckets.delete(oldest);
  };
  return (key) => {
    const now = monotonic();
    const level = levelOf(key, now);
    const isThere = level >= 1;
    keep(key, { level: isThere ? level - 1 : level, at: now });
    return isThere ? 0 : Math.ceil(((1 - level) / perSecond) * 1000);
  };
};
