/**
 * Gathers what is asked for while a commit is under way, and hands it over as one. An entry's promise
 * settles with its own outcome; a commit that fails fails everything that waits, too: none of it
 * could have been kept, and whoever asks afterwards begins the next try.
 *
 * @param commit takes up to `most` entries and answers an error, or nothing, for each
 * @param refuse makes the error for an entry past `mostWaiting`
 */
export const createGroupCommit = <T>({
  commit,
  most,
  mostWaiting,
  refuse,
}: {
  readonly commit: (entries: readonly T[]) => Promise<readonly (Error | undefined)[]>;
  readonly most: number;
  readonly mostWaiting: number;
  readonly refuse: () => Error;
}): ((entry: T) => Promise<void>) => {
  const waiting: Waiting<T>[] = [];
  let isRunning = false;
  const run = async (): Promise<void> => {
    isRunning = true;
    // What the same turn of the event loop brings goes along.
    await Promise.resolve();
    while (waiting.length > 0) {
      const taken = waiting.splice(0, most);
      try {
        settleAll(taken, await commit(taken.map(({ entry }) => entry)));
      } catch (error) {
        rejectAll([...taken, ...waiting.splice(0)], error as Error);
      }
    }
    isRunning = false;
  };
  return (entry) => {
    if (waiting.length >= mostWaiting) return Promise.reject(refuse());
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    waiting.push({ entry, resolve, reject });
    if (!isRunning) void run();
    return promise;
  };
};

type Waiting<T> = {
  readonly entry: T;
  readonly resolve: (value: undefined) => void;
  readonly reject: (error: Error) => void;
};

const settleAll = <T>(
  taken: readonly Waiting<T>[],
  outcomes: readonly (Error | undefined)[],
): void =>
  taken.forEach(({ resolve, reject }, index) => {
    const error = outcomes[index];
    if (error === undefined) resolve(undefined);
    else reject(error);
  });

const rejectAll = <T>(taken: readonly Waiting<T>[], error: Error): void =>
  taken.forEach(({ reject }) => reject(error));
