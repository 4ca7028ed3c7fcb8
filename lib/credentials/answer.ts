import type { LiveRun } from './live-runs.ts';
import { inProgress, type Refusal } from './refusal.ts';
import type { Schedule } from './schedule.ts';

export type Answer = LiveRun | Refusal;

/** The one way to a task's credentials; at once where a run is held. Never throws or rejects. */
export type CredentialSource = () => Answer | Promise<Answer>;

/** The Java SDK reads for 1 s: 900 ms, less what the way there and back takes on a busy node. */
const PATIENCE_MS = 850;

/** The answer, or `exchange_in_progress` while there is none yet. What was begun goes on. */
export const patiently = (flight: Promise<Answer>, schedule: Schedule): Promise<Answer> =>
  new Promise((resolve) => {
    const cancel = schedule(PATIENCE_MS, () => resolve(inProgress));
    void flight.then((answer) => {
      cancel();
      resolve(answer);
    });
  });
