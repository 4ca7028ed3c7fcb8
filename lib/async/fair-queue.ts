import { setImmediate as nextTurn } from 'node:timers/promises';

/** Does a piece of work when its owner's turn comes. @throws what the work throws */
export type Enqueue = <T>(owner: string, work: () => Promise<T>) => Promise<T>;

/**
 * One piece of work at a time, owners in turn, and after each a turn of the event loop for all else:
 * whoever asks for much waits for himself, and keeps nobody else's work, probe or answer.
 */
export const createFairQueue = (): Enqueue => {
  const waiting = new Map<string, (() => Promise<void>)[]>();
  let isWorking = false;

  const drainQueues = async (): Promise<void> => {
    isWorking = true;
    while (waiting.size > 0) {
      for (const [owner, queue] of waiting) {
        await queue.shift()?.();
        if (queue.length === 0) waiting.delete(owner);
        await nextTurn();
      }
    }
    isWorking = false;
  };

  return (owner, work) =>
    new Promise((resolve, reject) => {
      const queue = waiting.get(owner) ?? [];
      waiting.set(owner, queue);
      // Work that throws at once is rejected like any other: nobody else's turn is lost by it.
      queue.push(() => Promise.resolve().then(work).then(resolve, reject));
      if (!isWorking) void drainQueues();
    });
};
