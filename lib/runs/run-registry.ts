import type { StreamedRevocation } from '../contract/authority-api.ts';
import type { Clock } from '../contract/clock.ts';
import type { Task } from '../contract/task.ts';
import type { RunResult, TaskCredentialSource } from './response-timeout.ts';
import type { Exchange, RunRequest } from '../contract/exchange.ts';
import { createExplicitStarts } from './explicit-starts.ts';
import {
  createActiveRuns,
  type EndReason,
  type ActiveRun,
  type RunObserver,
} from './active-runs.ts';
import { terminating, type RunRefusal } from './run-refusal.ts';
import { createRevokedRuns } from './revoked-runs.ts';
import type { Schedule } from '../contract/schedule.ts';
import { createStartRateLimit } from './start-rate-limit.ts';
import { createPendingRuns } from './pending-runs.ts';
import { createTaskCredentialSource } from './task-credentials.ts';

/** Every run of the pod. What it answers is a live run or a refusal; it never throws or rejects. */
export type RunRegistry = {
  /** The credentials of a task without params; made once per consumer and task, called often. */
  readonly createSource: (consumer: string, task: Task) => TaskCredentialSource;
  /** Starts a run by name. */
  readonly start: (request: RunRequest) => Promise<RunResult>;
  /** A consumer's own live run. */
  readonly find: (consumer: string, run: string) => ActiveRun | undefined;
  /** Ends a consumer's own run as completed; false when there is none. */
  readonly complete: (consumer: string, run: string) => boolean;
  /** What is revoked from now on: it ends what it names, and keeps it from beginning. */
  readonly revoke: (active: readonly StreamedRevocation[]) => void;
  /** Ends every run as revoked, for a reason of our own. */
  readonly revokeAll: (refusal: RunRefusal) => void;
  /** Why a consumer's own run, that has not reached its deadline, is revoked. */
  readonly findRevocationRefusal: (consumer: string, run: string) => RunRefusal | undefined;
  /** Asked right before a run's credentials leave; false: they must not. */
  readonly markServed: (run: ActiveRun) => boolean;
  readonly listActive: () => readonly ActiveRun[];
  readonly remainingMs: (run: ActiveRun) => number;
  /** Ends every run as terminated and refuses from then on; answers how many there were. */
  readonly close: () => number;
};

/**
 * Opens the book; `exchange` is the only way to credentials, and `schedule` never keeps us up.
 *
 * @param parts.knownAt until when every revocation is known, on the clock that never jumps; left out
 * where there are none
 */
export const createRunRegistry = ({
  exchange,
  clock,
  schedule,
  observer,
  revocationsCurrentUntil = () => Infinity,
}: {
  exchange: Exchange;
  clock: Clock;
  schedule: Schedule;
  observer: RunObserver;
  revocationsCurrentUntil?: (() => number) | undefined;
}): RunRegistry => {
  let isClosed = false;
  const ended = (run: ActiveRun, reason: EndReason): void => {
    explicitStarts.removeRun(run);
    observer.ended(run, reason);
  };
  const activeRuns = createActiveRuns({
    clock,
    schedule,
    observer: { ...observer, ended },
    revocationsCurrentUntil,
  });
  const revokedRuns = createRevokedRuns({ schedule });
  const checkRevocation = revokedRuns.checkRevocation;
  const pendingRuns = createPendingRuns({ exchange, activeRuns, clock, checkRevocation });
  const startRateLimit = createStartRateLimit(clock);
  const explicitStarts = createExplicitStarts({
    activeRuns,
    pendingRuns,
    startRateLimit,
    schedule,
  });

  const find = (consumer: string, run: string): ActiveRun | undefined => {
    const found = activeRuns.get(run);
    return found?.consumer === consumer ? found : undefined;
  };

  const revokeWhere = (why: (run: ActiveRun) => RunRefusal | undefined): void => {
    for (const run of activeRuns.all()) {
      const refusal = why(run);
      if (refusal === undefined) continue;
      revokedRuns.add(run, { refusal, forMs: activeRuns.remainingMs(run) });
      pendingRuns.end(run.run, 'revoked');
    }
  };

  return {
    createSource: (consumer, task) => {
      const source = createTaskCredentialSource({
        consumer,
        task,
        activeRuns,
        pendingRuns,
        startRateLimit,
        schedule,
      });
      return () => (isClosed ? terminating : source());
    },
    start: (request) => (isClosed ? Promise.resolve(terminating) : explicitStarts.start(request)),
    find,
    complete: (consumer, run) =>
      find(consumer, run) !== undefined && pendingRuns.end(run, 'completed'),
    revoke: (active) => {
      revokedRuns.replace(active);
      revokeWhere(({ run, task }) => revokedRuns.checkRevocation(run, task));
    },
    revokeAll: (refusal) => revokeWhere(() => refusal),
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
