import type { Schedule } from '../contract/schedule.ts';
import type { AdmittedTasks, Task, TaskStatement } from '../contract/task.ts';
import type { ActiveRun, EndReason } from '../runs/active-runs.ts';
import { computeRenewBeforeMs } from '../runs/freshness.ts';
import type { LocalKeyOwner } from '../runs/local-keys.ts';
import { waitForAnswer, type RunResult } from '../runs/response-timeout.ts';
import type { RunRefusal } from '../runs/run-refusal.ts';
import type { RunRegistry } from '../runs/run-registry.ts';
import { findTask } from '../runs/task-selection.ts';
import { requireRoleArn } from '../schema/arn.ts';
import { createTextSigner, type AwsKeys, type SignText } from '../signing/signing-keys.ts';
import type { CallRefusal, CallRefusalCode } from './call-refusals.ts';

/** How long a call waits for the exchange of its task's first run. */
const EXCHANGE_TIMEOUT_MS = 15_000;

/** A run as far as one call needs it. */
export type CallRun = {
  readonly run: string;
  readonly task: string;
  /** With the run's params bound. */
  readonly allow: readonly TaskStatement[];
  /** Of the role; empty where a private cloud has no accounts. */
  readonly account: string;
  /** Of the cloud: they never leave the sidecar. */
  readonly keys: AwsKeys;
  /** The run's own, so that derived keys end with it. */
  readonly signText: SignText;
  /** Aborted when the run ends, with a {@link CallRefusal} as its reason: the call is cut on both sides. */
  readonly signal: AbortSignal;
  /** Call once when the call ends. */
  readonly release: () => void;
  /** The cloud says that the keys have expired: ends the run. */
  readonly expire: () => void;
};

export type CallRuns = {
  /** Finds or starts the run of a local key's owner. */
  readonly resolve: (owner: LocalKeyOwner) => Promise<CallRun | CallRefusal>;
  /** A run ended: cuts its calls, or moves them to the task's next run if it expired. */
  readonly end: (run: ActiveRun, reason: EndReason) => void;
};

export type CallRunsDeps = {
  readonly admitted: AdmittedTasks;
  readonly registry: Pick<
    RunRegistry,
    | 'findRun'
    | 'startRun'
    | 'getProgress'
    | 'getRun'
    | 'findRevocationRefusal'
    | 'markServed'
    | 'remainingMs'
    | 'expire'
  >;
  readonly schedule: Schedule;
  /** Refuses a call that gets no run because the source of credentials does not answer. */
  readonly unavailable: Extract<CallRefusalCode, 'authority_unreachable' | 'upstream_unreachable'>;
};

/** The calls in flight of one run. */
type RunCalls = {
  readonly active: ActiveRun;
  readonly account: string;
  readonly signText: SignText;
  readonly cancelRenewal: () => void;
  readonly calls: Set<Call>;
};
type Call = { runCalls: RunCalls; readonly abort: AbortController };

const runEnded: CallRefusal = {
  code: 'run_ended',
  message: 'the run of this key has ended: get credentials again',
};

/** Of one run: for each service and region, on two days. */
const MAX_SIGNING_KEYS = 16;

/** Codes of runs' refusals that are also refusals of calls, or that ask for another attempt. */
const CALL_CODES: ReadonlyMap<string, CallRefusalCode> = new Map<string, CallRefusalCode>([
  ['run_revoked', 'run_revoked'],
  ['authority_disconnected', 'authority_unreachable'],
  ['exchange_in_progress', 'exchange_in_progress'],
  ['run_ended_before_use', 'exchange_in_progress'],
  ['terminating', 'run_ended'],
  ['start_rate_exceeded', 'overloaded'],
]);

/** Connects calls with runs: which run a call uses, and what becomes of it when that run ends. */
export const createCallRuns = (deps: CallRunsDeps): CallRuns => {
  const { admitted, registry, schedule, unavailable } = deps;
  const byRun = new Map<string, RunCalls>();

  const toCallRefusal = ({ code, nature, message }: RunRefusal): CallRefusal => ({
    code: CALL_CODES.get(code) ?? (nature === 'refused' ? 'run_refused' : unavailable),
    message: `no run for this key: ${code}: ${message}`,
  });

  /** A call in flight counts as a request for the task's next run, which starts in time to take it over. */
  const scheduleRenewal = (active: ActiveRun): (() => void) => {
    const { run, consumer, task, isExplicit } = active;
    if (isExplicit) return () => undefined;
    const waitMs = registry.remainingMs(active) - computeRenewBeforeMs(task.lifetimeSeconds * 1000);
    return schedule(Math.max(0, waitMs), () => {
      if ((byRun.get(run)?.calls.size ?? 0) > 0) void registry.startRun(consumer, task);
    });
  };

  const getRunCalls = (active: ActiveRun): RunCalls => {
    const existing = byRun.get(active.run);
    if (existing !== undefined) return existing;
    const created = {
      active,
      account: requireRoleArn(active.task.role).account,
      signText: createTextSigner(MAX_SIGNING_KEYS),
      cancelRenewal: scheduleRenewal(active),
      calls: new Set<Call>(),
    };
    byRun.set(active.run, created);
    return created;
  };

  /** Every use of a run's keys is checked as if they left the sidecar. */
  const enter = (active: ActiveRun): CallRun | CallRefusal => {
    const { held, run, task } = active;
    if (held?.keys === undefined || !registry.markServed(active)) return runEnded;
    const runCalls = getRunCalls(active);
    const call: Call = { runCalls, abort: new AbortController() };
    runCalls.calls.add(call);
    return {
      run,
      task: task.name,
      allow: held.allow,
      account: runCalls.account,
      keys: held.keys,
      signText: runCalls.signText,
      signal: call.abort.signal,
      release: () => void call.runCalls.calls.delete(call),
      expire: () => registry.expire(active),
    };
  };

  const enterResult = (result: RunResult): CallRun | CallRefusal =>
    result.kind === 'refusal' ? toCallRefusal(result) : enter(result);

  const enterExplicit = (consumer: string, run: string): CallRun | CallRefusal => {
    const found = registry.getRun(consumer, run) ?? registry.findRevocationRefusal(consumer, run);
    return found === undefined ? runEnded : enterResult(found);
  };

  const enterCurrent = async (consumer: string, task: Task): Promise<CallRun | CallRefusal> => {
    const found = registry.findRun(consumer, task);
    if (found.freshness === 'fresh') return enter(found.run);
    const started = registry.startRun(consumer, task);
    if (found.freshness === 'stale') return enter(found.run);
    const getProgress = (): RunRefusal => registry.getProgress(consumer, task);
    const waiting = { timeoutMs: EXCHANGE_TIMEOUT_MS, schedule, getProgress };
    return enterResult(await waitForAnswer(started, waiting));
  };

  const moveCalls = ({ active, calls }: RunCalls): boolean => {
    const found = registry.findRun(active.consumer, active.task);
    if (active.isExplicit || found.freshness === 'expired') return false;
    if (!registry.markServed(found.run)) return false;
    const next = getRunCalls(found.run);
    for (const call of calls) {
      call.runCalls = next;
      next.calls.add(call);
    }
    return true;
  };

  return {
    resolve: async ({ consumer, task: taskName, run }) => {
      if (run !== undefined) return enterExplicit(consumer, run);
      const found = findTask(admitted, { consumer, taskName });
      return found.kind === 'refusal' ? toCallRefusal(found) : enterCurrent(consumer, found.task);
    },
    end: (active, reason) => {
      const runCalls = byRun.get(active.run);
      if (runCalls === undefined) return;
      byRun.delete(active.run);
      runCalls.cancelRenewal();
      if (runCalls.calls.size === 0 || (reason === 'expired' && moveCalls(runCalls))) return;
      const refusal = registry.findRevocationRefusal(active.consumer, active.run);
      const cause = refusal === undefined ? runEnded : toCallRefusal(refusal);
      for (const { abort } of runCalls.calls) abort.abort(cause);
    },
  };
};
