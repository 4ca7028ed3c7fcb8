import type { Task } from '../contract/task.ts';
import {
  computeRetentionMs,
  waitForAnswer,
  type RunResult,
  type TaskCredentialSource,
} from './response-timeout.ts';
import { evaluateFreshness } from './freshness.ts';
import type { ActiveRun, ActiveRuns } from './active-runs.ts';
import type { Schedule } from '../contract/schedule.ts';
import { createSingleFlight } from '../async/single-flight.ts';
import type { StartRateLimit } from './start-rate-limit.ts';
import type { PendingRuns } from './pending-runs.ts';

/**
 * A task without params, as one consumer sees it: the first who asks starts a run; a fresh run is
 * served, a due one is served while the next starts behind, a dead one waits for one new run.
 */
export const createTaskCredentialSource = ({
  consumer,
  task,
  activeRuns,
  pendingRuns,
  startRateLimit,
  schedule,
}: {
  consumer: string;
  task: Task;
  activeRuns: ActiveRuns;
  pendingRuns: PendingRuns;
  startRateLimit: StartRateLimit;
  schedule: Schedule;
}): TaskCredentialSource => {
  const lifetimeMs = task.lifetimeSeconds * 1000;
  const request = { consumer, task, params: {} };
  /** The newest run, and the one before it, which still serves where the newest must not. */
  let newest: readonly ActiveRun[] = [];

  const findServableRun = (): ActiveRun | undefined => newest.find(activeRuns.isServable);

  const startNext = createSingleFlight<RunResult>(
    async () => {
      const renews = findServableRun();
      const refusal = renews === undefined ? startRateLimit(consumer) : undefined;
      if (refusal !== undefined) return refusal;
      const answer = await pendingRuns.start(request, {
        isExplicit: false,
        ...(renews === undefined ? {} : { renews }),
      });
      const earlier = findServableRun();
      if (answer.kind === 'run') newest = earlier === undefined ? [answer] : [answer, earlier];
      return answer;
    },
    { computeRetentionMs, schedule },
  );

  return () => {
    const run = findServableRun();
    const freshness =
      run === undefined ? 'dead' : evaluateFreshness(activeRuns.remainingMs(run), lifetimeMs);
    if (run !== undefined && freshness === 'fresh') return run;
    const flight = startNext();
    return run !== undefined && freshness === 'due' ? run : waitForAnswer(flight, schedule);
  };
};
