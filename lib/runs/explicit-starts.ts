import { createHash } from 'node:crypto';

import { computeRetentionMs, waitForAnswer, type RunResult } from './response-timeout.ts';
import type { RunRequest } from '../contract/exchange.ts';
import type { ActiveRun, ActiveRuns } from './active-runs.ts';
import { buildTooManyRunsRefusal, type RunRefusal } from './run-refusal.ts';
import type { Schedule } from '../contract/schedule.ts';
import type { StartRateLimit } from './start-rate-limit.ts';
import type { PendingRuns } from './pending-runs.ts';

/** Active runs that a consumer may have started explicitly, including pending ones. */
const MAX_RUNS_PER_CONSUMER = 16;
const MIN_WAIT_MS = 1_000;
const MAX_WAIT_MS = 60_000;

type Start = { readonly consumer: string; readonly answer: Promise<RunResult>; run?: ActiveRun };

/**
 * Runs that start explicitly, with `POST …/runs`. Equal requests share one exchange until its run was
 * returned: a client that got `exchange_in_progress` repeats its request and gets that run. After
 * that, the same request starts another run.
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
    const answer = pendingRuns.start(request, { isExplicit: true });
    const start: Start = { consumer: request.consumer, answer };
    starts.set(key, start);
    void answer.then((result) => {
      if (result.kind === 'run' && activeRuns.remainingMs(result) > 0) start.run = result;
      else schedule(computeRetentionMs(result), () => starts.delete(key));
    });
    return start;
  };

  /** With 16 active runs, the wait is until the first expires; a pending run may fail at any moment. */
  const checkLimits = (consumer: string): RunRefusal | undefined => {
    if (countRuns(consumer) < MAX_RUNS_PER_CONSUMER) return startRateLimit(consumer);
    const remaining = listActiveRuns(consumer).map((run) => activeRuns.remainingMs(run));
    const isFull = remaining.length >= MAX_RUNS_PER_CONSUMER;
    const soonestMs = isFull ? Math.min(MAX_WAIT_MS, ...remaining) : 0;
    return buildTooManyRunsRefusal(MAX_RUNS_PER_CONSUMER, Math.max(MIN_WAIT_MS, soonestMs));
  };

  /** A run that was not returned in time is replaced: revocations since then may be unknown. */
  const findStart = (key: string): Start | undefined => {
    const { run } = starts.get(key) ?? {};
    if (run !== undefined && !activeRuns.isServable(run)) pendingRuns.end(run.run, 'superseded');
    return starts.get(key);
  };

  const start = async (request: RunRequest, timeoutMs: number): Promise<RunResult> => {
    const key = buildStartKey(request);
    const existing = findStart(key);
    const refusal = existing === undefined ? checkLimits(request.consumer) : undefined;
    if (refusal !== undefined) return refusal;
    const { answer } = existing ?? begin(key, request);
    const { consumer, task } = request;
    const getProgress = (): RunRefusal => pendingRuns.getProgress(consumer, task);
    const result = await waitForAnswer(answer, { timeoutMs, schedule, getProgress });
    if (result.kind === 'run') starts.delete(key);
    return result;
  };

  /** A run that ended before it was returned is never returned. */
  const removeRun = (run: ActiveRun): void => {
    for (const [key, start] of starts) if (start.run === run) starts.delete(key);
  };

  return { start, removeRun };
};

/** A digest of everything that changes the answer: a user token and a handle are secret, and params are long. */
const buildStartKey = ({
  consumer,
  task,
  params,
  purpose,
  userToken,
  delegation,
}: RunRequest): string => {
  const sorted = Object.entries(params).sort(([a], [b]) => (a < b ? -1 : 1));
  const tokens = [userToken ?? null, delegation ?? null];
  const text = JSON.stringify([consumer, task.name, sorted, purpose ?? null, ...tokens]);
  return createHash('sha256').update(text).digest('base64');
};
