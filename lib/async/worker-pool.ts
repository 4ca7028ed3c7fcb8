import type { Schedule } from '../contract/schedule.ts';

export type WorkerPoolOptions<T> = {
  /** Takes the next item of the queue; undefined if it is empty. */
  readonly take: () => T | undefined;
  /** Handles an item; must not reject. `pause` waits so many milliseconds, or until the pool is drained. */
  readonly handle: (item: T, pause: (ms: number) => Promise<void>) => Promise<void>;
  readonly schedule: Schedule;
};

export type WorkerPool = {
  /** Starts a worker if none is running. Call it after each item that is queued. */
  readonly start: () => void;
  /**
   * Ends pauses and works with `concurrency` workers; resolves when the queue is empty and all items are
   * handled, or after `withinMs`.
   */
  readonly drain: (withinMs: number, concurrency: number) => Promise<void>;
};

/** Creates what empties a queue: one item at a time, and several at once while it is drained. */
export const createWorkerPool = <T>({
  take,
  handle,
  schedule,
}: WorkerPoolOptions<T>): WorkerPool => {
  const workers = new Set<Promise<void>>();
  const wakes = new Set<() => void>();
  /** Not the size of the set: a worker that found nothing is in it until the next microtask. */
  let working = 0;

  const pause = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      const wake = (): void => {
        cancel();
        wakes.delete(wake);
        resolve();
      };
      const cancel = schedule(ms, wake);
      wakes.add(wake);
    });
  const work = async (first: T): Promise<void> => {
    working += 1;
    for (let next: T | undefined = first; next !== undefined; next = take()) {
      await handle(next, pause);
    }
    working -= 1;
  };
  const startWorkers = (maxWorkers: number): void => {
    while (working < maxWorkers) {
      const first = take();
      if (first === undefined) return;
      const worker = work(first);
      workers.add(worker);
      void worker.then(() => workers.delete(worker));
    }
  };
  return {
    start: () => startWorkers(1),
    drain: async (withinMs, concurrency) => {
      for (const wake of [...wakes]) wake();
      startWorkers(concurrency);
      const deadline = new Promise<void>((resolve) => void schedule(withinMs, resolve));
      await Promise.race([Promise.all([...workers]), deadline]);
    },
  };
};
