import { LoggableError } from '../schema/loggable-error.ts';

/**
 * Waits for `run` at most `ms` milliseconds, then aborts its signal. The returned promise rejects at
 * that moment even if `run` ignores the signal.
 *
 * @throws LoggableError on timeout; whatever `run` throws
 */
export const withTimeout = async <T>(
  { ms, what }: { readonly ms: number; readonly what: string },
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> => {
  const limit = new AbortController();
  const { promise: timedOut, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    reject(new LoggableError(`${what}: expected to finish within ${ms} ms, timed out`));
    limit.abort();
  }, ms);
  try {
    return await Promise.race([run(limit.signal), timedOut]);
  } finally {
    clearTimeout(timer);
  }
};
