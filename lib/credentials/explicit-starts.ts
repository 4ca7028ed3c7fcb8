import { createHash } from 'node:crypto';

import { patiently, type Answer } from './answer.ts';
import type { RunRequest } from './exchange.ts';
import type { LiveRun, LiveRuns } from './live-runs.ts';
import { tooManyRuns, type Refusal } from './refusal.ts';
import type { Schedule } from './schedule.ts';
import { afterMemory } from './single-flight.ts';
import type { StartBudget } from './start-budget.ts';
import type { Starting } from './starting.ts';

/** Live runs that a consumer may have started by name, those on their way included. */
const MAX_RUNS_PER_CONSUMER = 16;
const SHORTEST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 60_000;

type Start = { readonly consumer: string; readonly flight: Promise<Answer>; run?: LiveRun };

/**
 * Runs that are started by name. Equal requests share one exchange until its run has been handed
 * out: whoever was told `exchange_in_progress` asks again with the same request and gets that run.
 * From then on the same request starts another run.
 */
export const openExplicitStarts = ({
  live,
  starting,
  budget,
  schedule,
}: {
  live: LiveRuns;
  starting: Starting;
  budget: StartBudget;
  schedule: Schedule;
}) => {
  const starts = new Map<string, Start>();

  const liveRunsOf = (consumer: string): readonly LiveRun[] =>
    live
      .all()
      .filter((run) => run.explicit && run.consumer === consumer && live.remainingMs(run) > 0);

  const countOf = (consumer: string): number =>
    liveRunsOf(consumer).length +
    [...starts.values()].filter((s) => s.consumer === consumer && s.run === undefined).length;

  const begin = (key: string, request: RunRequest): Start => {
    const flight = starting.start(request, { explicit: true });
    const start: Start = { consumer: request.consumer, flight };
    starts.set(key, start);
    void flight.then((answer) => {
      if (answer.kind === 'run' && live.remainingMs(answer) > 0) start.run = answer;
      else afterMemory(answer, schedule, () => starts.delete(key));
    });
    return start;
  };

  /** Room is made by the run that ends first; what is on its way may fail at any moment. */
  const refuseMore = (consumer: string): Refusal | undefined => {
    if (countOf(consumer) < MAX_RUNS_PER_CONSUMER) return budget(consumer);
    const left = liveRunsOf(consumer).map((run) => live.remainingMs(run));
    const isFullOfRuns = left.length >= MAX_RUNS_PER_CONSUMER;
    const soonestMs = isFullOfRuns ? Math.min(LONGEST_WAIT_MS, ...left) : 0;
    return tooManyRuns(MAX_RUNS_PER_CONSUMER, Math.max(SHORTEST_WAIT_MS, soonestMs));
  };

  /** A run that waited too long for its first asker has to be asked for again. */
  const knownBy = (key: string): Start | undefined => {
    const { run } = starts.get(key) ?? {};
    if (run !== undefined && !live.isServable(run)) starting.end(run.run, 'superseded');
    return starts.get(key);
  };

  const start = async (request: RunRequest): Promise<Answer> => {
    const key = keyOf(request);
    const known = knownBy(key);
    const refusal = known === undefined ? refuseMore(request.consumer) : undefined;
    if (refusal !== undefined) return refusal;
    const answer = await patiently((known ?? begin(key, request)).flight, schedule);
    if (answer.kind === 'run') starts.delete(key);
    return answer;
  };

  /** A run that ended before it was handed out is not handed out any more. */
  const forget = (run: LiveRun): void => {
    for (const [key, start] of starts) if (start.run === run) starts.delete(key);
  };

  return { start, forget };
};

/** Everything that changes the answer; a digest, because a user token is secret and params are long. */
const keyOf = ({ consumer, task, params, purpose, userToken }: RunRequest): string => {
  const sorted = Object.entries(params).sort(([a], [b]) => (a < b ? -1 : 1));
  const whole = JSON.stringify([consumer, task.name, sorted, purpose ?? null, userToken ?? null]);
  return createHash('sha256').update(whole).digest('base64');
};
