/** Answers by what was asked, as many as were used last: the least used is forgotten first. */
export type LruCache<T> = {
  readonly get: (asked: string) => T | undefined;
  readonly set: (asked: string, answer: T) => void;
  readonly delete: (asked: string) => void;
};

/** Begins with none. */
export const createLruCache = <T>(most: number): LruCache<T> => {
  const entries = new Map<string, T>();
  const set = (asked: string, answer: T): void => {
    entries.delete(asked);
    entries.set(asked, answer);
    const [oldest] = entries.keys();
    if (entries.size > most && oldest !== undefined) entries.delete(oldest);
  };
  const get = (asked: string): T | undefined => {
    const answer = entries.get(asked);
    if (answer !== undefined) set(asked, answer);
    return answer;
  };
  return { get, set, delete: (asked) => entries.delete(asked) };
};
