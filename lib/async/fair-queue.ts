import { setImmediate as nextTurn } from 'node:timers/promises';

/** Queues work for an owner. @throws what the work throws */
export type Enqueue = <T>(owner: string, work: () => Promise<T>) => Promise<T>;

/**
 * Runs one piece of work at a time, round-robin over owners, and yields to the event loop after each.
 * An owner with much work delays its own work only: not that of other owners, nor probes and requests.
 */
export const createFairQueue = (): Enqueue => {
  const queues = new Map<string, (() => Promise<void>)[]>();
  let isWorking = false;

  const drainQueues = async (): Promise<void> => {
    isWorking = true;
    while (queues.size > 0) {
      for (const [owner, queue] of queues) {
        await queue.shift()?.();
        if (queue.length === 0) queues.delete(owner);
        await nextTurn();
      }
    }
    isWorking = false;
  };

  return (owner, work) =>
    new Promise((resolve, reject) => {
      const queue = queues.get(owner) ?? [];
      queues.set(owner, queue);
      // Work that throws synchronously must become a rejection, or it would end the drain loop.
      queue.push(() => Promise.resolve().then(work).then(resolve, reject));
      if (!isWorking) void drainQueues();
    });
};
