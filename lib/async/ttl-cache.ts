type CacheEntry<T> = { readonly answer: Promise<T>; readonly askedAt: number };

/** So long after something was changed, we may still act on what it was. */
const MAX_AGE_MS = 2_000;
const MAX_ENTRIES = 10_000;

/**
 * Remembers answers for two seconds, by name: many pods ask the same at once.
 *
 * @param monotonic milliseconds that never jump
 * @returns throws what `ask` throws; a failure is not remembered
 */
export const createTtlCache = <T>(
  ask: (name: string) => Promise<T>,
  monotonic: () => number,
): ((name: string) => Promise<T>) => {
  const entries = new Map<string, CacheEntry<T>>();
  const loadEntry = (name: string): CacheEntry<T> => {
    const asked = { answer: ask(name), askedAt: monotonic() };
    asked.answer.catch(() => {
      if (entries.get(name) === asked) entries.delete(name);
    });
    if (entries.size >= MAX_ENTRIES) entries.clear();
    entries.set(name, asked);
    return asked;
  };
  return (name) => {
    const cached = entries.get(name);
    const isFresh = cached !== undefined && monotonic() - cached.askedAt <= MAX_AGE_MS;
    return (isFresh ? cached : loadEntry(name)).answer;
  };
};
