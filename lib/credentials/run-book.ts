import type { StreamedRevocation } from '../contract/authority.ts';
import type { Clock } from '../contract/clock.ts';
import type { Task } from '../contract/task.ts';
import type { Answer, CredentialSource } from './answer.ts';
import type { Exchange, RunRequest } from './exchange.ts';
import { openExplicitStarts } from './explicit-starts.ts';
import { openLiveRuns, type EndReason, type LiveRun, type RunObserver } from './live-runs.ts';
import { terminating, type Refusal } from './refusal.ts';
import { openRevokedRuns } from './revoked-runs.ts';
import type { Schedule } from './schedule.ts';
import { openStartBudget } from './start-budget.ts';
import { openStarting } from './starting.ts';
import { taskSource } from './task-source.ts';

/** Every run of the pod. What it answers is a live run or a refusal; it never throws or rejects. */
export type RunBook = {
  /** The credentials of a task without params; made once per consumer and task, called often. */
  readonly source: (consumer: string, task: Task) => CredentialSource;
  /** Starts a run by name. */
  readonly start: (request: RunRequest) => Promise<Answer>;
  /** A consumer's own live run. */
  readonly find: (consumer: string, run: string) => LiveRun | undefined;
  /** Ends a consumer's own run as completed; false when there is none. */
  readonly complete: (consumer: string, run: string) => boolean;
  /** What is revoked from now on: it ends what it names, and keeps it from beginning. */
  readonly revoke: (active: readonly StreamedRevocation[]) => void;
  /** Ends every run as revoked, for a reason of our own. */
  readonly revokeAll: (refusal: Refusal) => void;
  /** Why a consumer's own run, that has not reached its deadline, is revoked. */
  readonly whyRevoked: (consumer: string, run: string) => Refusal | undefined;
  /** Asked right before a run's credentials leave; false: they must not. */
  readonly handOut: (run: LiveRun) => boolean;
  readonly live: () => readonly LiveRun[];
  readonly remainingMs: (run: LiveRun) => number;
  /** Ends every run as terminated and refuses from then on; answers how many there were. */
  readonly close: () => number;
};

/**
 * Opens the book; `exchange` is the only way to credentials, and `schedule` never keeps us up.
 *
 * @param parts.knownAt until when every revocation is known, on the clock that never jumps; left out
 * where there are none
 */
export const openRunBook = ({
  exchange,
  clock,
  schedule,
  observer,
  knownAt = () => Infinity,
}: {
  exchange: Exchange;
  clock: Clock;
  schedule: Schedule;
  observer: RunObserver;
  knownAt?: (() => number) | undefined;
}): RunBook => {
  let isClosed = false;
  const ended = (run: LiveRun, reason: EndReason): void => {
    explicit.forget(run);
    observer.ended(run, reason);
  };
  const live = openLiveRuns({ clock, schedule, observer: { ...observer, ended }, knownAt });
  const revoked = openRevokedRuns({ schedule });
  const refusalOfRun = revoked.refusalOf;
  const starting = openStarting({ exchange, live, clock, refusalOfRun });
  const budget = openStartBudget(clock);
  const explicit = openExplicitStarts({ live, starting, budget, schedule });

  const find = (consumer: string, run: string): LiveRun | undefined => {
    const found = live.get(run);
    return found?.consumer === consumer ? found : undefined;
  };

  const revokeWhere = (why: (run: LiveRun) => Refusal | undefined): void => {
    for (const run of live.all()) {
      const refusal = why(run);
      if (refusal === undefined) continue;
      revoked.remember(run, { refusal, forMs: live.remainingMs(run) });
      starting.end(run.run, 'revoked');
    }
  };

  return {
    source: (consumer, task) => {
      const source = taskSource({ consumer, task, live, starting, budget, schedule });
      return () => (isClosed ? terminating : source());
    },
    start: (request) => (isClosed ? Promise.resolve(terminating) : explicit.start(request)),
    find,
    complete: (consumer, run) =>
      find(consumer, run) !== undefined && starting.end(run, 'completed'),
    revoke: (active) => {
      revoked.replace(active);
      revokeWhere(({ run, task }) => revoked.refusalOf(run, task));
    },
    revokeAll: (refusal) => revokeWhere(() => refusal),
    whyRevoked: revoked.why,
    handOut: live.handOut,
    live: live.all,
    remainingMs: live.remainingMs,
    close: () => {
      isClosed = true;
      starting.abandonAll(terminating);
      return live.all().filter(({ run }) => starting.end(run, 'terminated')).length;
    },
  };
};
