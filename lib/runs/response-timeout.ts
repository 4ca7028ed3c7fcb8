import type { ActiveRun } from './active-runs.ts';
import { exchangeInProgress, runEndedBeforeUse, type RunRefusal } from './run-refusal.ts';
import type { Schedule } from '../contract/schedule.ts';

export type RunResult = ActiveRun | RunRefusal;

/** The one way to a task's credentials; at once where a run is held. Never throws or rejects. */
export type TaskCredentialSource = () => RunResult | Promise<RunResult>;

/** The Java SDK reads for 1 s: 900 ms, less what the way there and back takes on a busy node. */
const RESPONSE_TIMEOUT_MS = 850;

/** The answer, or `exchange_in_progress` while there is none yet. What was begun goes on. */
export const waitForAnswer = (flight: Promise<RunResult>, schedule: Schedule): Promise<RunResult> =>
  new Promise((resolve) => {
    const cancel = schedule(RESPONSE_TIMEOUT_MS, () => resolve(exchangeInProgress));
    void flight.then((answer) => {
      cancel();
      resolve(answer);
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
