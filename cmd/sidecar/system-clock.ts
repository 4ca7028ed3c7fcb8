import { setTimeout as delay } from 'node:timers/promises';

import type { Clock } from '../../lib/contract/clock.ts';
import type { Schedule } from '../../lib/contract/schedule.ts';

/** The system's clocks: wall clock and monotonic clock, in milliseconds. */
export const clock: Clock = { now: () => Date.now(), monotonic: () => performance.now() };

/** Timers that do not keep the process running. */
export const schedule: Schedule = (delayMs, action) => {
  const timer = setTimeout(action, delayMs).unref();
  return () => clearTimeout(timer);
};

/** Waits without keeping the process running. @throws AbortError if `signal` is aborted */
export const pause = async (ms: number, signal: AbortSignal): Promise<void> => {
  await delay(ms, undefined, { signal, ref: false });
};
