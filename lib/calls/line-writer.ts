import type { Clock } from '../contract/clock.ts';

/** Bytes, and milliseconds, that lines may wait for standard output. */
const MAX_PENDING_BYTES = 256 * 1024;
const MAX_PENDING_MS = 2_000;

/**
 * Writes a text without waiting, for instance to standard output.
 *
 * @param done called once, when the text was accepted or could not be written
 */
export type WriteText = (text: string, done: (error?: Error | null) => void) => void;

export type LineWriter = {
  readonly write: (line: string) => void;
  /** Whether lines wait for too long, or the last one was lost. */
  readonly isBlocked: () => boolean;
  /** Whether another line may be tried. */
  readonly accepts: () => boolean;
};

/** Creates a writer that notices when its output is not read. */
export const createLineWriter = (
  write: WriteText,
  { monotonic }: Pick<Clock, 'monotonic'>,
): LineWriter => {
  const pending = new Set<{ readonly bytes: number; readonly at: number }>();
  let pendingBytes = 0;
  let isLost = false;
  const accepts = (): boolean => {
    const [oldest] = pending;
    return (
      pendingBytes < MAX_PENDING_BYTES &&
      (oldest === undefined || monotonic() - oldest.at < MAX_PENDING_MS)
    );
  };
  return {
    write: (line) => {
      const entry = { bytes: Buffer.byteLength(line), at: monotonic() };
      pending.add(entry);
      pendingBytes += entry.bytes;
      write(line, (error) => {
        if (pending.delete(entry)) pendingBytes -= entry.bytes;
        isLost = error !== undefined && error !== null;
      });
    },
    isBlocked: () => isLost || !accepts(),
    accepts,
  };
};
