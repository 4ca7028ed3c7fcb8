import { LoggableError } from '../schema/loggable-error.ts';

/**
 * Runs what may take so long, and no longer is waited for: not everything heeds its signal.
 *
 * @throws LoggableError when the time is over; whatever `run` throws
 */
export const withTimeout = async <T>(
  { ms, what }: { readonly ms: number; readonly what: string },
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> => {
  const limit = new AbortController();
  const { promise: over, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    reject(new LoggableError(`${what}: expected an end within ${ms} ms, got none`));
    limit.abort();
  }, ms);
  try {
    return await Promise.race([run(limit.signal), over]);
  } finally {
    clearTimeout(timer);
  }
};
