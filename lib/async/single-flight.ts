import type { Schedule } from '../contract/schedule.ts';

/** Keeps a result for later callers after its flight has ended. */
export type FlightRetention<T> = {
  /** Milliseconds to keep this result; 0: it is not kept. */
  readonly computeRetentionMs: (result: T) => number;
  readonly schedule: Schedule;
};

/**
 * Shares one call among all callers that arrive while it is in progress. The stored promise is cleared
 * when the call has settled, or later where `retention` keeps its result. A failure is never kept.
 *
 * @returns rejects with what `begin` rejects with
 */
export const createSingleFlight = <T>(
  begin: () => Promise<T>,
  retention?: FlightRetention<T>,
): (() => Promise<T>) => {
  let flight: Promise<T> | undefined;
  const clear = (): void => {
    flight = undefined;
  };
  const settle = (result: T): T => {
    const retentionMs = retention?.computeRetentionMs(result) ?? 0;
    if (retention === undefined || retentionMs === 0) clear();
    else retention.schedule(retentionMs, clear);
    return result;
  };
  const rethrow = (error: unknown): never => {
    clear();
    throw error;
  };
  return () => (flight ??= begin().then(settle, rethrow));
};
