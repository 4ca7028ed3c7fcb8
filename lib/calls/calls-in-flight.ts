import type { Schedule } from '../contract/schedule.ts';
import type { Task } from '../contract/task.ts';
import type { ActiveRun, EndReason } from '../runs/active-runs.ts';
import { computeRenewBeforeMs } from '../runs/freshness.ts';
import type { RunRegistry } from '../runs/run-registry.ts';
import { requireRoleArn } from '../schema/arn.ts';
import { createTextSigner, type SignText } from '../signing/signing-keys.ts';
import type { CallRefusal } from './call-refusals.ts';

/** The calls in flight of one run. */
export type RunCalls = {
  readonly active: ActiveRun;
  readonly account: string;
  readonly signText: SignText;
  readonly cancelRenewal: () => void;
  readonly calls: Set<CallInFlight>;
};

export type CallInFlight = {
  /** Of the run whose keys it uses now. */
  runCalls: RunCalls;
  endsWithRun: boolean;
  readonly abort: AbortController;
};

export type CallsInFlight = {
  /** The calls of a run; the first use schedules the task's next run. */
  readonly open: (active: ActiveRun) => RunCalls;
  readonly begin: (runCalls: RunCalls) => CallInFlight;
  /** Cuts all calls of a run. */
  readonly abort: (active: ActiveRun, cause: CallRefusal) => void;
  /** A run ended: moves its calls to the task's next run if it expired, and cuts the others. */
  readonly end: (active: ActiveRun, reason: EndReason, findCause: () => CallRefusal) => void;
};

export type CallsInFlightDeps = {
  readonly registry: Pick<RunRegistry, 'findRun' | 'startRun' | 'markServed' | 'remainingMs'>;
  readonly schedule: Schedule;
};

/** Of one run: for each service and region, on two days. */
const MAX_SIGNING_KEYS = 16;

/** An Upstream has no account. */
const getAccount = ({ provider, role }: Task): string =>
  provider === 'aws' ? requireRoleArn(role).account : '';

/** A session of a database has the role of its run, and cannot change to that of the next one. */
export const endsCalls = ({ provider }: Task): boolean => provider === 'postgres';

const listMoving = ({ calls }: RunCalls): readonly CallInFlight[] =>
  [...calls].filter(({ endsWithRun }) => !endsWithRun);

/** Creates the table of the calls in flight by run. */
export const createCallsInFlight = ({ registry, schedule }: CallsInFlightDeps): CallsInFlight => {
  const byRun = new Map<string, RunCalls>();

  /** A call in flight counts as a request for the task's next run, which starts in time to take it over. */
  const scheduleRenewal = (active: ActiveRun): (() => void) => {
    const { run, consumer, task, isExplicit } = active;
    if (isExplicit || endsCalls(task)) return () => undefined;
    const waitMs = registry.remainingMs(active) - computeRenewBeforeMs(task.lifetimeSeconds * 1000);
    return schedule(Math.max(0, waitMs), () => {
      const runCalls = byRun.get(run);
      if (runCalls !== undefined && listMoving(runCalls).length > 0)
        void registry.startRun(consumer, task);
    });
  };

  const open = (active: ActiveRun): RunCalls => {
    const existing = byRun.get(active.run);
    if (existing !== undefined) return existing;
    const created = {
      active,
      account: getAccount(active.task),
      signText: createTextSigner(MAX_SIGNING_KEYS),
      cancelRenewal: scheduleRenewal(active),
      calls: new Set<CallInFlight>(),
    };
    byRun.set(active.run, created);
    return created;
  };

  const moveCalls = (runCalls: RunCalls): void => {
    const { active, calls } = runCalls;
    const moving = listMoving(runCalls);
    if (active.isExplicit || endsCalls(active.task) || moving.length === 0) return;
    const found = registry.findRun(active.consumer, active.task);
    if (found.freshness === 'expired' || !registry.markServed(found.run)) return;
    const next = open(found.run);
    for (const call of moving) {
      calls.delete(call);
      call.runCalls = next;
      next.calls.add(call);
    }
  };

  return {
    open,
    begin: (runCalls) => {
      const call = { runCalls, endsWithRun: false, abort: new AbortController() };
      runCalls.calls.add(call);
      return call;
    },
    abort: (active, cause) => {
      for (const { abort } of byRun.get(active.run)?.calls ?? []) abort.abort(cause);
    },
    end: (active, reason, findCause) => {
      const runCalls = byRun.get(active.run);
      if (runCalls === undefined) return;
      byRun.delete(active.run);
      runCalls.cancelRenewal();
      if (reason === 'expired') moveCalls(runCalls);
      if (runCalls.calls.size === 0) return;
      const cause = findCause();
      for (const { abort } of runCalls.calls) abort.abort(cause);
    },
  };
};
