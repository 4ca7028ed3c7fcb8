import type { RunResult } from '../runs/response-timeout.ts';
import type { Schedule } from '../contract/schedule.ts';
import type { RunRefusal } from '../runs/run-refusal.ts';

/**
 * Answers the one flight there is, or begins it. The stored promise is cleared when a run has come
 * of it; a refusal stays for its `retryAfterMs`, so that a burst of callers costs one exchange.
 *
 * @param begin never rejects
 */
export const createSingleFlight = (
  begin: () => Promise<RunResult>,
  schedule: Schedule,
): (() => Promise<RunResult>) => {
  let flight: Promise<RunResult> | undefined;
  const settle = (answer: RunResult): RunResult => {
    scheduleEviction(answer, schedule, () => (flight = undefined));
    return answer;
  };
  return () => (flight ??= begin().then(settle));
};

/** Calls `forget` at once for a run, and for a refusal when its moment has passed. */
export const scheduleEviction = (
  answer: RunResult,
  schedule: Schedule,
  forget: () => void,
): void => {
  if (isRetained(answer)) schedule(answer.retryAfterMs ?? 0, forget);
  else forget();
};

/** What ended for reasons of our own says nothing about the next try. */
const isRetained = (answer: RunResult): answer is RunRefusal =>
  answer.kind === 'refusal' && answer.code !== 'run_ended_before_use';
