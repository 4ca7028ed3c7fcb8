import type { Schedule } from '../contract/schedule.ts';

/** How long a body waits for memory. */
const WAIT_MS = 2_000;

export type BodyBuffersOptions = {
  /** Largest body. */
  readonly maxBodyBytes: number;
  /** Memory for all bodies. */
  readonly bufferBytes: number;
};

export type BodyBuffers = {
  /**
   * Reserves memory for a body of a consumer, and waits for it if there is none.
   *
   * @returns a function that frees the memory, to be called once; undefined: there was none in time
   */
  readonly reserve: (consumer: string, bytes: number) => Promise<(() => void) | undefined>;
  readonly getReservedBytes: () => number;
};

type Waiting = { readonly consumer: string; readonly tryAgain: () => boolean };

/**
 * Limits the memory of bodies that are read whole. While several consumers use it or wait for it, each
 * has at most half, or one body of the largest size if that is more.
 */
export const createBodyBuffers = (
  { maxBodyBytes, bufferBytes }: BodyBuffersOptions,
  { schedule }: { schedule: Schedule },
): BodyBuffers => {
  const reserved = new Map<string, number>();
  const waiting = new Set<Waiting>();
  const sharedLimit = Math.max(bufferBytes / 2, maxBodyBytes);
  let total = 0;

  const isAlone = (consumer: string): boolean =>
    [...reserved.keys(), ...[...waiting].map((each) => each.consumer)].every(
      (name) => name === consumer,
    );

  const fits = (consumer: string, bytes: number): boolean =>
    total + bytes <= bufferBytes &&
    (isAlone(consumer) || (reserved.get(consumer) ?? 0) + bytes <= sharedLimit);

  const add = (consumer: string, bytes: number): void => {
    const next = (reserved.get(consumer) ?? 0) + bytes;
    total += bytes;
    if (next === 0) reserved.delete(consumer);
    else reserved.set(consumer, next);
  };

  const take = (consumer: string, bytes: number): (() => void) => {
    add(consumer, bytes);
    return () => {
      add(consumer, -bytes);
      for (const each of [...waiting]) if (each.tryAgain()) waiting.delete(each);
    };
  };

  const wait = (consumer: string, bytes: number): Promise<(() => void) | undefined> =>
    new Promise((resolve) => {
      const tryAgain = (): boolean => {
        if (!fits(consumer, bytes)) return false;
        cancel();
        resolve(take(consumer, bytes));
        return true;
      };
      const each: Waiting = { consumer, tryAgain };
      const cancel = schedule(WAIT_MS, () => {
        waiting.delete(each);
        resolve(undefined);
      });
      waiting.add(each);
    });

  return {
    reserve: (consumer, bytes) =>
      fits(consumer, bytes) ? Promise.resolve(take(consumer, bytes)) : wait(consumer, bytes),
    getReservedBytes: () => total,
  };
};
