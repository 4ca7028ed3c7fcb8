import { setTimeout as pause } from 'node:timers/promises';

/** Of a controller that lost patience long since. */
const MAX_TRIES = 5;
/** As long as the controller of Jobs waits before it tries again. */
const RETRY_AFTER_MS = 1_000;

/** All attempts, as a controller makes them: one more after each that was refused, five at most. */
export const retryAttempts = async <T>(
  attempt: () => Promise<T>,
  isRefused: (outcome: T) => boolean,
  retryAfterMs = RETRY_AFTER_MS,
): Promise<[T, ...T[]]> => {
  let last = await attempt();
  const attempts: [T, ...T[]] = [last];
  while (isRefused(last) && attempts.length < MAX_TRIES) {
    await pause(retryAfterMs);
    last = await attempt();
    attempts.push(last);
  }
  return attempts;
};
