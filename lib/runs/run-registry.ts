import type { StreamedRevocation } from '../contract/authority-api.ts';
import type { Clock } from '../contract/clock.ts';
import type { Exchange, RunRequest } from '../contract/exchange.ts';
import type { Schedule } from '../contract/schedule.ts';
import type { Task } from '../contract/task.ts';
import {
  createActiveRuns,
  type ActiveRun,
  type EndReason,
  type RunObserver,
} from './active-runs.ts';
import { createExplicitStarts } from './explicit-starts.ts';
import type { LocalKeys } from './local-keys.ts';
import { createPendingRuns } from './pending-runs.ts';
import { buildDelegationRequiredRefusal } from './request-refusals.ts';
import { RESPONSE_TIMEOUT_MS, type RunResult } from './response-timeout.ts';
import type { RunBudgets } from './run-budgets.ts';
import { createRevokedRuns } from './revoked-runs.ts';
import { terminating, type RunRefusal } from './run-refusal.ts';
import { createStartRateLimit } from './start-rate-limit.ts';
import { createTaskRuns, type FoundRun } from './task-runs.ts';

/** All runs of the pod. No function throws or rejects. */
export type RunRegistry = {
  /** The current run of a task without params, and whether it is fresh, stale or expired. */
  readonly findRun: (consumer: string, task: Task) => FoundRun;
  /** Starts a run of a task without params; all callers share one exchange. */
  readonly startRun: (consumer: string, task: Task) => Promise<RunResult>;
  /** The refusal during an exchange: `exchange_in_progress`, with the last failure if there is one. */
  readonly getProgress: (consumer: string, task: Task) => RunRefusal;
  /** Starts a run for `POST …/runs`. Waits for the exchange for `timeoutMs`; absent: the shortest wait. */
  readonly startExplicitRun: (request: RunRequest, timeoutMs?: number) => Promise<RunResult>;
  /** The consumer's own active run with this id. */
  readonly getRun: (consumer: string, run: string) => ActiveRun | undefined;
  /** Ends the consumer's own run as completed; false if it has no such run. */
  readonly complete: (consumer: string, run: string) => boolean;
  /** Ends a run as expired, because the cloud no longer accepts its keys. */
  readonly expire: (run: ActiveRun) => void;
  /** Ends a run whose budget is used up. */
  readonly exceedBudget: (run: ActiveRun) => void;
  /** Replaces the active revocations: ends the runs that they match, and prevents new ones. */
  readonly revoke: (active: readonly StreamedRevocation[]) => void;
  /** Ends one run as revoked, because changed policies deny it. */
  readonly revokeRun: (run: ActiveRun, refusal: RunRefusal) => void;
  /** Ends every run as revoked, for a reason of the sidecar itself. */
  readonly revokeAll: (refusal: RunRefusal) => void;
  /** Why the consumer's own run was revoked, until the run's deadline. */
  readonly findRevocationRefusal: (consumer: string, run: string) => RunRefusal | undefined;
  /** Call right before a run's credentials leave the sidecar; false: they must not leave. */
  readonly markServed: (run: ActiveRun) => boolean;
  readonly listActive: () => readonly ActiveRun[];
  readonly remainingMs: (run: ActiveRun) => number;
  /** Ends every run as terminated and refuses all further requests. Returns how many runs ended. */
  readonly close: () => number;
};

export type RunRegistryDeps = {
  /** The only source of credentials. */
  readonly exchange: Exchange;
  readonly clock: Clock;
  /** Its timers must not keep the process running. */
  readonly schedule: Schedule;
  readonly observer: RunObserver;
  /** Until when all revocations are known, on the monotonic clock; absent without an authority. */
  readonly revocationsCurrentUntil?: (() => number) | undefined;
  /** Absent where no task has delivery `sign`. */
  readonly localKeys?: LocalKeys | undefined;
  /** Absent where no task has a budget. */
  readonly budgets?: Pick<RunBudgets, 'findRefusal' | 'close'> | undefined;
};

export const createRunRegistry = (deps: RunRegistryDeps): RunRegistry => {
  const { exchange, clock, schedule, observer, localKeys, budgets } = deps;
  const { revocationsCurrentUntil = () => Infinity } = deps;
  let isClosed = false;
  const ended = (run: ActiveRun, reason: EndReason): void => {
    explicitStarts.removeRun(run);
    budgets?.close(run, reason);
    observer.ended(run, reason);
  };
  const activeRuns = createActiveRuns({
    clock,
    schedule,
    observer: { started: observer.started, ended },
    revocationsCurrentUntil,
    localKeys,
  });
  const revokedRuns = createRevokedRuns({ schedule });
  const { checkRevocation } = revokedRuns;
  const { discarded = () => undefined } = observer;
  const pendingRuns = createPendingRuns({
    exchange,
    activeRuns,
    clock,
    checkRevocation,
    discarded,
  });
  const startRateLimit = createStartRateLimit(clock);
  const startDeps = { activeRuns, pendingRuns, startRateLimit, schedule };
  const explicitStarts = createExplicitStarts(startDeps);
  const taskRuns = createTaskRuns(startDeps);

  const getRun = (consumer: string, run: string): ActiveRun | undefined => {
    const found = activeRuns.get(run);
    return found?.consumer === consumer ? found : undefined;
  };

  const findStartRefusal = (request: Pick<RunRequest, 'task' | 'delegation'>) =>
    isClosed ? terminating : findTaskRefusal(request, budgets);

  const revokeRuns = (findRefusal: (run: ActiveRun) => RunRefusal | undefined): void => {
    for (const run of activeRuns.all()) {
      const refusal = findRefusal(run);
      if (refusal === undefined) continue;
      revokedRuns.add(run, { refusal, forMs: activeRuns.remainingMs(run) });
      pendingRuns.end(run.run, 'revoked');
    }
  };

  return {
    findRun: taskRuns.findRun,
    startRun: (consumer, task) => {
      const refusal = findStartRefusal({ task });
      return refusal === undefined ? taskRuns.startRun(consumer, task) : Promise.resolve(refusal);
    },
    getProgress: pendingRuns.getProgress,
    startExplicitRun: (request, timeoutMs = RESPONSE_TIMEOUT_MS.java) => {
      const refusal = findStartRefusal(request);
      return refusal === undefined
        ? explicitStarts.start(request, timeoutMs)
        : Promise.resolve(refusal);
    },
    getRun,
    complete: (consumer, run) =>
      getRun(consumer, run) !== undefined && pendingRuns.end(run, 'completed'),
    expire: ({ run }) => void pendingRuns.end(run, 'expired'),
    exceedBudget: ({ run }) => void pendingRuns.end(run, 'budget_exceeded'),
    revoke: (active) => {
      revokedRuns.replace(active);
      revokeRuns((run) => checkRevocation(run, run.task));
    },
    revokeRun: ({ run }, refusal) => revokeRuns((each) => (each.run === run ? refusal : undefined)),
    revokeAll: (refusal) => revokeRuns(() => refusal),
    findRevocationRefusal: revokedRuns.findRefusal,
    markServed: activeRuns.markServed,
    listActive: activeRuns.all,
    remainingMs: activeRuns.remainingMs,
    close: () => {
      isClosed = true;
      pendingRuns.abandonAll(terminating);
      return activeRuns.all().filter(({ run }) => pendingRuns.end(run, 'terminated')).length;
    },
  };
};

/** Why no run of this task may start now. */
const findTaskRefusal = (
  { task, delegation }: Pick<RunRequest, 'task' | 'delegation'>,
  budgets: RunRegistryDeps['budgets'],
): RunRefusal | undefined =>
  task.delegated === 'required' && delegation === undefined
    ? buildDelegationRequiredRefusal(task)
    : budgets?.findRefusal(task.name);
