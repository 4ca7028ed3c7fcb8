export type GroupCommit<T> = {
  readonly append: (entry: T) => Promise<void>;
  /** Entries that wait for a commit. */
  readonly countWaiting: () => number;
};

/**
 * Combines entries that arrive during a commit into the next one. The promise of an entry settles with
 * its own outcome. A failed commit also fails all waiting entries, and the next entry starts a new
 * attempt.
 *
 * @param commit takes up to `maxBatch` entries and returns an error, or undefined, for each
 * @param refuse creates the error for an entry beyond `maxWaiting`
 */
export const createGroupCommit = <T>({
  commit,
  maxBatch,
  maxWaiting,
  refuse,
}: {
  readonly commit: (entries: readonly T[]) => Promise<readonly (Error | undefined)[]>;
  readonly maxBatch: number;
  readonly maxWaiting: number;
  readonly refuse: () => Error;
}): GroupCommit<T> => {
  const waiting: Waiting<T>[] = [];
  let isRunning = false;
  const run = async (): Promise<void> => {
    isRunning = true;
    // Include entries of the same turn of the event loop.
    await Promise.resolve();
    while (waiting.length > 0) {
      const taken = waiting.splice(0, maxBatch);
      try {
        settleAll(taken, await commit(taken.map(({ entry }) => entry)));
      } catch (error) {
        rejectAll([...taken, ...waiting.splice(0)], error as Error);
      }
    }
    isRunning = false;
  };
  const append = (entry: T): Promise<void> => {
    if (waiting.length >= maxWaiting) return Promise.reject(refuse());
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    waiting.push({ entry, resolve, reject });
    if (!isRunning) void run();
    return promise;
  };
  return { append, countWaiting: () => waiting.length };
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
