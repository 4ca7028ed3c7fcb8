import type { Task } from '../contract/task.ts';
import { patiently, type CredentialSource } from './answer.ts';
import { phaseOf } from './freshness.ts';
import type { LiveRun, LiveRuns } from './live-runs.ts';
import type { Schedule } from './schedule.ts';
import { singleFlight } from './single-flight.ts';
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
  schedule,
}: {
  consumer: string;
  task: Task;
  live: LiveRuns;
  starting: Starting;
  schedule: Schedule;
}): CredentialSource => {
  const lifetimeMs = task.lifetimeSeconds * 1000;
  const request = { consumer, task, params: {} };
  let held: LiveRun | undefined;

  const phase = () => (held === undefined ? 'dead' : phaseOf(live.remainingMs(held), lifetimeMs));

  const next = singleFlight(async () => {
    const renews = phase() === 'dead' ? undefined : held;
    const answer = await starting.start(request, {
      explicit: false,
      ...(renews === undefined ? {} : { renews }),
    });
    if (answer.kind === 'run') held = answer;
    return answer;
  }, schedule);

  return () => {
    const now = phase();
    if (held !== undefined && now === 'fresh') return held;
    const flight = next();
    return held !== undefined && now === 'due' ? held : patiently(flight, schedule);
  };
};
