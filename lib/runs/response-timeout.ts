import type { Schedule } from '../contract/schedule.ts';
import type { ActiveRun } from './active-runs.ts';
import { runEndedBeforeUse, type RunRefusal } from './run-refusal.ts';

export type RunResult = ActiveRun | RunRefusal;

/** The AWS SDK for Java reads for 1 s. 850 ms leaves time for both directions on a busy node. */
const RESPONSE_TIMEOUT_MS = 850;

/**
 * Waits for an exchange as long as clients read.
 *
 * @param getProgress builds the answer after that time; the exchange continues
 */
export const waitForAnswer = (
  answer: Promise<RunResult>,
  schedule: Schedule,
  getProgress: () => RunRefusal,
): Promise<RunResult> =>
  new Promise((resolve) => {
    const cancel = schedule(RESPONSE_TIMEOUT_MS, () => resolve(getProgress()));
    void answer.then((result) => {
      cancel();
      resolve(result);
    });
  });

/**
 * Milliseconds for which a refusal is kept, so that a burst of callers costs one exchange. A run is
 * not kept here, and neither is a refusal that says nothing about the next attempt.
 */
export const computeRetentionMs = (answer: RunResult): number =>
  answer.kind === 'refusal' && answer.code !== runEndedBeforeUse.code
    ? (answer.retryAfterMs ?? 0)
    : 0;
