import type { Task } from '../contract/task.ts';
import { patiently, type CredentialSource } from './answer.ts';
import { phaseOf } from './freshness.ts';
import type { LiveRun, LiveRuns } from './live-runs.ts';
import type { Schedule } from './schedule.ts';
import { singleFlight } from './single-flight.ts';
import type { StartBudget } from './start-budget.ts';
import type { Starting } from './starting.ts';

/**
 * A task without params, as one consumer sees it: the first who asks starts a run; a fresh run is
 * served, a due one is served while the next starts behind, a dead one waits for one new run.
 */
export const taskSource = ({
  consumer,
  task,
  live,
  starting,
  budget,
  schedule,
}: {
  consumer: string;
  task: Task;
  live: LiveRuns;
  starting: Starting;
  budget: StartBudget;
  schedule: Schedule;
}): CredentialSource => {
  const lifetimeMs = task.lifetimeSeconds * 1000;
  const request = { consumer, task, params: {} };
  /** The newest run, and the one before it, which still serves where the newest must not. */
  let newest: readonly LiveRun[] = [];

  const held = (): LiveRun | undefined => newest.find(live.isServable);

  const next = singleFlight(async () => {
    const renews = held();
    const refusal = renews === undefined ? budget(consumer) : undefined;
    if (refusal !== undefined) return refusal;
    const answer = await starting.start(request, {
      explicit: false,
      ...(renews === undefined ? {} : { renews }),
    });
    const earlier = held();
    if (answer.kind === 'run') newest = earlier === undefined ? [answer] : [answer, earlier];
    return answer;
  }, schedule);

  return () => {
    const run = held();
    const phase = run === undefined ? 'dead' : phaseOf(live.remainingMs(run), lifetimeMs);
    if (run !== undefined && phase === 'fresh') return run;
    const flight = next();
    return run !== undefined && phase === 'due' ? run : patiently(flight, schedule);
  };
};
