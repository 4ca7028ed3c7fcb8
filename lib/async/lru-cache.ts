/** A bounded map: the entry that was used least recently is evicted first. */
export type LruCache<T> = {
  /** Also marks the entry as used. */
  readonly get: (key: string) => T | undefined;
  readonly set: (key: string, value: T) => void;
  readonly delete: (key: string) => void;
};

/** Creates an empty cache of at most `maxEntries` entries. */
export const createLruCache = <T>(maxEntries: number): LruCache<T> => {
  const entries = new Map<string, T>();
  /** Used last: it needs no move to the end. */
  let newest: string | undefined;
  const set = (key: string, value: T): void => {
    entries.delete(key);
    entries.set(key, value);
    newest = key;
    if (entries.size <= maxEntries) return;
    const [oldest] = entries.keys();
    if (oldest !== undefined) entries.delete(oldest);
  };
  const get = (key: string): T | undefined => {
    const value = entries.get(key);
    if (value !== undefined && key !== newest) set(key, value);
    return value;
  };
  return { get, set, delete: (key) => void entries.delete(key) };
};
