import { AuditError } from '../../audit/audit-event.ts';
import type { Sink } from '../../audit/sinks.ts';

/** Standard output, or what stands in for it. */
type Stream = {
  readonly write: (text: string, done: (error?: Error | null) => void) => unknown;
};

/**
 * Records as lines on standard output: kept as far as whoever collects it keeps them. It cannot be
 * read again, so a chain that has no other sink begins anew with each process.
 */
export const createStandardOutputSink = (stream: Stream = process.stdout): Sink => ({
  append: (lines) =>
    new Promise((resolve, reject) => {
      stream.write(lines, (cause) => {
        if (cause === undefined || cause === null) resolve();
        else reject(new AuditError('sink_failed', 'standard output takes no lines', { cause }));
      });
    }),
  close: () => Promise.resolve(),
});
