import type { Position } from './chain.ts';

/** Hashes of the records of one chain in one file, by sequence number. A hash takes 32 bytes. */
export type HashIndex = {
  /** Ignored unless it comes after every position so far. */
  readonly add: (position: Pick<Position, 'sequence' | 'hash'>) => void;
  /** @returns the hash, hex; undefined if the record is absent */
  readonly find: (sequence: number) => string | undefined;
  /** @returns the first position from `sequence` on that has a record; Infinity: none */
  readonly findNext: (sequence: number) => number;
};

/** Records without a gap: a gap starts the next run, so that memory depends on the records only. */
type Run = { readonly start: number; count: number; hashes: Buffer };

const HASH_BYTES = 32;
const FIRST_CAPACITY = 8;

export const createHashIndex = (): HashIndex => {
  const runs: Run[] = [];
  return {
    add: ({ sequence, hash }) => {
      const last = runs.at(-1);
      const next = last === undefined ? 0 : last.start + last.count;
      if (sequence < next) return;
      const run = last !== undefined && sequence === next ? last : startRun(sequence);
      if (run !== last) runs.push(run);
      append(run, hash);
    },
    find: (sequence) => {
      const run = runs.find(({ start, count }) => sequence >= start && sequence < start + count);
      if (run === undefined) return undefined;
      const at = (sequence - run.start) * HASH_BYTES;
      return run.hashes.toString('hex', at, at + HASH_BYTES);
    },
    findNext: (sequence) => {
      const run = runs.find(({ start, count }) => sequence < start + count);
      return run === undefined ? Infinity : Math.max(sequence, run.start);
    },
  };
};

const startRun = (start: number): Run => ({
  start,
  count: 0,
  hashes: Buffer.alloc(FIRST_CAPACITY * HASH_BYTES),
});

const append = (run: Run, hash: string): void => {
  const at = run.count * HASH_BYTES;
  if (at === run.hashes.length) run.hashes = Buffer.concat([run.hashes, Buffer.alloc(at)]);
  run.hashes.write(hash, at, HASH_BYTES, 'hex');
  run.count += 1;
};
