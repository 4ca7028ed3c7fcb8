import { createLruCache } from './lru-cache.ts';

export type TtlCacheOptions<T> = {
  readonly load: (key: string) => Promise<T>;
  /** How long a value is served after its load began, milliseconds. */
  readonly ttlMs: number;
  readonly maxEntries: number;
  /** Monotonic clock, milliseconds. */
  readonly monotonic: () => number;
};

/**
 * Caches loaded values for a limited time. Callers that ask for the same key while its load is in
 * progress share it.
 *
 * @returns rejects with what `load` rejects with; a failure is not cached
 */
export const createTtlCache = <T>({
  load,
  ttlMs,
  maxEntries,
  monotonic,
}: TtlCacheOptions<T>): ((key: string) => Promise<T>) => {
  const entries = createLruCache<{ readonly value: Promise<T>; readonly loadedAt: number }>(
    maxEntries,
  );
  const loadEntry = (key: string): Promise<T> => {
    const entry = { value: load(key), loadedAt: monotonic() };
    entries.set(key, entry);
    entry.value.catch(() => {
      if (entries.get(key) === entry) entries.delete(key);
    });
    return entry.value;
  };
  return (key) => {
    const cached = entries.get(key);
    const isFresh = cached !== undefined && monotonic() - cached.loadedAt <= ttlMs;
    return isFresh ? cached.value : loadEntry(key);
  };
};
