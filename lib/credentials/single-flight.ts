import type { Answer } from './answer.ts';
import type { Schedule } from './schedule.ts';
import type { Refusal } from './refusal.ts';

/**
 * Answers the one flight there is, or begins it. The stored promise is cleared when a run has come
 * of it; a refusal stays for its `retryAfterMs`, so that a burst of callers costs one exchange.
 *
 * @param begin never rejects
 */
export const singleFlight = (
  begin: () => Promise<Answer>,
  schedule: Schedule,
): (() => Promise<Answer>) => {
  let flight: Promise<Answer> | undefined;
  const settle = (answer: Answer): Answer => {
    afterMemory(answer, schedule, () => (flight = undefined));
    return answer;
  };
  return () => (flight ??= begin().then(settle));
};

/** Calls `forget` at once for a run, and for a refusal when its moment has passed. */
export const afterMemory = (answer: Answer, schedule: Schedule, forget: () => void): void => {
  if (isRemembered(answer)) schedule(answer.retryAfterMs ?? 0, forget);
  else forget();
};

/** What ended for reasons of our own says nothing about the next try. */
const isRemembered = (answer: Answer): answer is Refusal =>
  answer.kind === 'refusal' && answer.code !== 'ended_meanwhile';
