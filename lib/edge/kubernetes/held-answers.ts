type Held<T> = { readonly answer: Promise<T>; readonly askedAt: number };

/** So long after something was changed, we may still act on what it was. */
const MAX_AGE_MS = 2_000;
const MAX_HELD = 10_000;

/**
 * Remembers answers for two seconds, by name: many pods ask the same at once.
 *
 * @param monotonic milliseconds that never jump
 * @returns throws what `ask` throws; a failure is not remembered
 */
export const holdAnswers = <T>(
  ask: (name: string) => Promise<T>,
  monotonic: () => number,
): ((name: string) => Promise<T>) => {
  const held = new Map<string, Held<T>>();
  const askAnew = (name: string): Held<T> => {
    const asked = { answer: ask(name), askedAt: monotonic() };
    asked.answer.catch(() => {
      if (held.get(name) === asked) held.delete(name);
    });
    if (held.size >= MAX_HELD) held.clear();
    held.set(name, asked);
    return asked;
  };
  return (name) => {
    const known = held.get(name);
    const isFresh = known !== undefined && monotonic() - known.askedAt <= MAX_AGE_MS;
    return (isFresh ? known : askAnew(name)).answer;
  };
};
