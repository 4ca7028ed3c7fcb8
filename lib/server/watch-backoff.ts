import { computeBackoffMs, type BackoffOptions } from '../async/backoff.ts';

/** Between two attempts to watch the API server. */
const RETRY: BackoffOptions = { firstMs: 500, maxMs: 30_000 };

/** Creates the backoff of a watch: from the number of failures in a row to milliseconds. */
export const createWatchBackoff =
  (random: () => number, retry: BackoffOptions = RETRY) =>
  (failures: number): number =>
    computeBackoffMs(failures, { ...retry, random });
