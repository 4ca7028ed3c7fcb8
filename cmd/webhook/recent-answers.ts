/** Answers by what was asked, as many as were used last: the least used is forgotten first. */
export type RecentAnswers<T> = {
  readonly recall: (asked: string) => T | undefined;
  readonly keep: (asked: string, answer: T) => void;
  readonly forget: (asked: string) => void;
};

/** Begins with none. */
export const openRecentAnswers = <T>(most: number): RecentAnswers<T> => {
  const held = new Map<string, T>();
  const keep = (asked: string, answer: T): void => {
    held.delete(asked);
    held.set(asked, answer);
    const [oldest] = held.keys();
    if (held.size > most && oldest !== undefined) held.delete(oldest);
  };
  const recall = (asked: string): T | undefined => {
    const answer = held.get(asked);
    if (answer !== undefined) keep(asked, answer);
    return answer;
  };
  return { recall, keep, forget: (asked) => held.delete(asked) };
};
