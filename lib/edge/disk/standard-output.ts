import { AuditError } from '../../audit/audit-event.ts';
import type { Sink } from '../../audit/sinks.ts';

/** Standard output, or a replacement in tests. */
type Stream = {
  readonly write: (text: string, done: (error?: Error | null) => void) => unknown;
};

/**
 * Creates a sink that writes records to standard output. Its durability depends on the log collector. It
 * cannot be read, so without another sink each process starts a new chain.
 */
export const createStandardOutputSink = (stream: Stream = process.stdout): Sink => ({
  append: (lines) =>
    new Promise((resolve, reject) => {
      stream.write(lines, (cause) => {
        if (cause === undefined || cause === null) resolve();
        else
          reject(new AuditError('sink_failed', 'standard output does not accept lines', { cause }));
      });
    }),
  close: () => Promise.resolve(),
});
