import { createSingleFlight } from '../async/single-flight.ts';
import type { Schedule } from '../contract/schedule.ts';
import type { Task } from '../contract/task.ts';
import type { ActiveRun, ActiveRuns } from './active-runs.ts';
import { evaluateFreshness } from './freshness.ts';
import type { PendingRuns } from './pending-runs.ts';
import { computeRetentionMs, type RunResult } from './response-timeout.ts';
import type { StartRateLimit } from './start-rate-limit.ts';

/** The run that a consumer's task has now, and what to do with it. */
export type FoundRun =
  | { readonly freshness: 'fresh' | 'stale'; readonly run: ActiveRun }
  | { readonly freshness: 'expired' };

export type TaskRunsDeps = {
  readonly activeRuns: ActiveRuns;
  readonly pendingRuns: PendingRuns;
  readonly startRateLimit: StartRateLimit;
  readonly schedule: Schedule;
};

type TaskRuns = {
  readonly findRun: () => FoundRun;
  readonly startRun: () => Promise<RunResult>;
};

const EXPIRED: FoundRun = { freshness: 'expired' };

/** The runs of tasks without params, which start on request: one current run per consumer and task. */
export const createTaskRuns = (deps: TaskRunsDeps) => {
  const byTask = new Map<string, TaskRuns>();
  const getTaskRuns = (consumer: string, task: Task): TaskRuns => {
    const key = `${consumer}/${task.name}`;
    const existing = byTask.get(key);
    if (existing !== undefined) return existing;
    const created = createRunsOfTask(consumer, task, deps);
    byTask.set(key, created);
    return created;
  };
  return {
    findRun: (consumer: string, task: Task): FoundRun => getTaskRuns(consumer, task).findRun(),
    /** Starts a run, or joins the exchange that is in progress. Never rejects. */
    startRun: (consumer: string, task: Task): Promise<RunResult> =>
      getTaskRuns(consumer, task).startRun(),
  };
};

const createRunsOfTask = (
  consumer: string,
  task: Task,
  { activeRuns, pendingRuns, startRateLimit, schedule }: TaskRunsDeps,
): TaskRuns => {
  const lifetimeMs = task.lifetimeSeconds * 1000;
  /** The newest run, then the previous one, which is served while the newest is not servable. */
  let newest: readonly ActiveRun[] = [];
  const findServableRun = (): ActiveRun | undefined => newest.find(activeRuns.isServable);

  const startRun = createSingleFlight<RunResult>(
    async () => {
      const renews = findServableRun();
      const refusal = renews === undefined ? startRateLimit(consumer) : undefined;
      if (refusal !== undefined) return refusal;
      const answer = await pendingRuns.start(
        { consumer, task, params: {} },
        { isExplicit: false, ...(renews !== undefined && { renews }) },
      );
      const earlier = findServableRun();
      if (answer.kind === 'run') newest = earlier === undefined ? [answer] : [answer, earlier];
      return answer;
    },
    { computeRetentionMs, schedule },
  );

  const findRun = (): FoundRun => {
    const run = findServableRun();
    if (run === undefined) return EXPIRED;
    const freshness = evaluateFreshness(activeRuns.remainingMs(run), lifetimeMs);
    if (freshness === 'expired') return EXPIRED;
    // Each renewal would ask people again.
    return { freshness: run.isApproved ? 'fresh' : freshness, run };
  };

  return { findRun, startRun };
};
