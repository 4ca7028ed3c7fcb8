import { createHash } from 'node:crypto';

import { computeRetentionMs, waitForAnswer, type RunResult } from './response-timeout.ts';
import type { RunRequest } from '../contract/exchange.ts';
import type { ActiveRun, ActiveRuns } from './active-runs.ts';
import { buildTooManyRunsRefusal, type RunRefusal } from './run-refusal.ts';
import type { Schedule } from '../contract/schedule.ts';
import type { StartRateLimit } from './start-rate-limit.ts';
import type { PendingRuns } from './pending-runs.ts';

/** Live runs that a consumer may have started by name, those on their way included. */
const MAX_RUNS_PER_CONSUMER = 16;
const MIN_WAIT_MS = 1_000;
const MAX_WAIT_MS = 60_000;

type Start = { readonly consumer: string; readonly flight: Promise<RunResult>; run?: ActiveRun };

/**
 * Runs that are started by name. Equal requests share one exchange until its run has been handed
 * out: whoever was told `exchange_in_progress` asks again with the same request and gets that run.
 * From then on the same request starts another run.
 */
export const createExplicitStarts = ({
  activeRuns,
  pendingRuns,
  startRateLimit,
  schedule,
}: {
  activeRuns: ActiveRuns;
  pendingRuns: PendingRuns;
  startRateLimit: StartRateLimit;
  schedule: Schedule;
}) => {
  const starts = new Map<string, Start>();

  const listActiveRuns = (consumer: string): readonly ActiveRun[] =>
    activeRuns
      .all()
      .filter(
        (run) => run.isExplicit && run.consumer === consumer && activeRuns.remainingMs(run) > 0,
      );

  const countRuns = (consumer: string): number =>
    listActiveRuns(consumer).length +
    [...starts.values()].filter((s) => s.consumer === consumer && s.run === undefined).length;

  const begin = (key: string, request: RunRequest): Start => {
    const flight = pendingRuns.start(request, { isExplicit: true });
    const start: Start = { consumer: request.consumer, flight };
    starts.set(key, start);
    void flight.then((answer) => {
      if (answer.kind === 'run' && activeRuns.remainingMs(answer) > 0) start.run = answer;
      else schedule(computeRetentionMs(answer), () => starts.delete(key));
    });
    return start;
  };

  /** Room is made by the run that ends first; what is on its way may fail at any moment. */
  const checkLimits = (consumer: string): RunRefusal | undefined => {
    if (countRuns(consumer) < MAX_RUNS_PER_CONSUMER) return startRateLimit(consumer);
    const left = listActiveRuns(consumer).map((run) => activeRuns.remainingMs(run));
    const isFullOfRuns = left.length >= MAX_RUNS_PER_CONSUMER;
    const soonestMs = isFullOfRuns ? Math.min(MAX_WAIT_MS, ...left) : 0;
    return buildTooManyRunsRefusal(MAX_RUNS_PER_CONSUMER, Math.max(MIN_WAIT_MS, soonestMs));
  };

  /** A run that waited too long for its first asker has to be asked for again. */
  const findStart = (key: string): Start | undefined => {
    const { run } = starts.get(key) ?? {};
    if (run !== undefined && !activeRuns.isServable(run)) pendingRuns.end(run.run, 'superseded');
    return starts.get(key);
  };

  const start = async (request: RunRequest): Promise<RunResult> => {
    const key = buildStartKey(request);
    const existing = findStart(key);
    const refusal = existing === undefined ? checkLimits(request.consumer) : undefined;
    if (refusal !== undefined) return refusal;
    const answer = await waitForAnswer((existing ?? begin(key, request)).flight, schedule);
    if (answer.kind === 'run') starts.delete(key);
    return answer;
  };

  /** A run that ended before it was handed out is not handed out any more. */
  const removeRun = (run: ActiveRun): void => {
    for (const [key, start] of starts) if (start.run === run) starts.delete(key);
  };

  return { start, removeRun };
};

/** Everything that changes the answer; a digest, because a user token is secret and params are long. */
const buildStartKey = ({ consumer, task, params, purpose, userToken }: RunRequest): string => {
  const sorted = Object.entries(params).sort(([a], [b]) => (a < b ? -1 : 1));
  const whole = JSON.stringify([consumer, task.name, sorted, purpose ?? null, userToken ?? null]);
  return createHash('sha256').update(whole).digest('base64');
};
