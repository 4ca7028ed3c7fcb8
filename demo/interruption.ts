import type { EventEmitter } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { createCleanupStack, type CleanupStack } from './cleanup-stack.ts';

/** Signals that end a program, and the exit status that shells give it then. */
const STATUS_BY_SIGNAL = { SIGINT: 130, SIGTERM: 143 } as const;

/**
 * Runs a program that signals may interrupt, then its cleanup.
 *
 * Once a signal arrived, the exit status is that of the signal and no error is reported, whichever comes first: a
 * shell sends Ctrl-C to the program and to all that it started, so what it started may fail before the program
 * itself sees the signal.
 *
 * @param given.process emits the signals, and `uncaughtException`
 * @param given.report gets what made the program or its cleanup fail
 * @returns the exit status, after all cleanup. The program may still be waiting for what was stopped
 */
export const runInterruptibly = async (
  run: (closing: CleanupStack) => Promise<number>,
  given: {
    readonly process: Pick<EventEmitter, 'on'>;
    readonly report: (error: unknown) => void;
  },
): Promise<number> => {
  const closing = createCleanupStack();
  const failures: unknown[] = [];
  let interrupted: number | undefined;
  const { promise: ended, resolve: end } = Promise.withResolvers<number>();
  const fail = (error: unknown): void => {
    failures.push(error);
    end(1);
  };
  for (const [signal, status] of Object.entries(STATUS_BY_SIGNAL)) {
    given.process.on(signal, () => {
      interrupted ??= status;
      end(status);
    });
  }
  // Thrown outside of the program, as in the handler of a connection that is cut.
  given.process.on('uncaughtException', fail);
  run(closing).then(end, fail);
  const status = await ended;
  await closing.close().catch(fail);
  // A signal that the system delivered already is handled in this turn.
  await nextTurn();
  if (interrupted !== undefined) return interrupted;
  failures.forEach(given.report);
  return failures.length > 0 ? 1 : status;
};
