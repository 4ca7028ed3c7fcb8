import type { RunOversight } from '../contract/exchange.ts';
import type { Schedule } from '../contract/schedule.ts';
import type { RunSecret } from '../contract/upstream.ts';
import type { AdmittedTasks, BudgetKind, Task, TaskStatement } from '../contract/task.ts';
import type { Permission } from '../operations/operation.ts';
import type { ActiveRun, EndReason, HeldCredentials } from '../runs/active-runs.ts';
import type { LocalKeyOwner } from '../runs/local-keys.ts';
import { waitForAnswer, type RunResult } from '../runs/response-timeout.ts';
import type { RunBudgets } from '../runs/run-budgets.ts';
import type { RunRefusal } from '../runs/run-refusal.ts';
import type { RunRegistry } from '../runs/run-registry.ts';
import { findTask } from '../runs/task-selection.ts';
import type { AwsKeys, SignText } from '../signing/signing-keys.ts';
import type { CallRefusal, CallRefusalCode } from './call-refusals.ts';
import {
  createCallsInFlight,
  endsCalls,
  type CallInFlight,
  type CallsInFlight,
} from './calls-in-flight.ts';

/** How long a call waits for the exchange of its task's first run. */
export const EXCHANGE_TIMEOUT_MS = 15_000;

/** A run as far as one call needs it. */
export type CallRun = {
  readonly run: string;
  readonly task: string;
  /** With the run's params bound. */
  readonly allow: readonly TaskStatement[];
  /** Of the role; empty for other providers, and where a private cloud has no accounts. */
  readonly account: string;
  /** Of the cloud: they never leave the sidecar. Absent for other providers. */
  readonly keys?: AwsKeys;
  /** Of providers `http` and `postgres`: presented to its Upstream, and to nothing else. */
  readonly secret?: RunSecret;
  /** Gates of now, and the ticket to ask with. */
  readonly oversight?: Readonly<RunOversight>;
  /** The call used a canary. Absent where nothing reports it. */
  readonly touchCanary?: (permission: Permission) => void;
  /** Why the call must not be passed on although its run was found. Absent where nothing closes the gateway. */
  readonly findClosure?: () => CallRefusal | undefined;
  /** The run's own, so that derived keys end with it. */
  readonly signText: SignText;
  /** Aborted when the run ends, with a {@link CallRefusal} as its reason: the call is cut on both sides. */
  readonly signal: AbortSignal;
  /** What the call uses of its run's budget; absent for a task without one. */
  readonly meter?: CallMeter;
  /** The call ends with this run: it neither asks for the next one nor moves to it. */
  readonly endWithRun: () => void;
  /** Call once when the call ends. */
  readonly release: () => void;
  /** The other side no longer accepts what the run holds, or showed it: ends the run. */
  readonly expire: () => void;
};

/** Counts what one call uses. Above the budget the run ends, and with it the call. */
export type CallMeter = {
  /** @returns false: the bytes must not reach the consumer */
  readonly takeBytes: (count: number) => boolean;
  readonly addTokens: (count: number) => void;
  readonly addDenial: () => void;
  /** Whether answers must be read for their numbers of tokens. */
  readonly countsTokens: boolean;
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
    | 'exceedBudget'
  >;
  /** Absent where no task has a budget. */
  readonly budgets?: Pick<RunBudgets, 'open' | 'findRefusal'> | undefined;
  readonly schedule: Schedule;
  /** Refuses a call that gets no run because the source of credentials does not answer. */
  readonly unavailable: Extract<CallRefusalCode, 'authority_unreachable' | 'upstream_unreachable'>;
};

const runEnded: CallRefusal = {
  code: 'run_ended',
  message: 'the run of this key has ended: get credentials again',
};

/** Codes of runs' refusals that are also refusals of calls, or that ask for another attempt. */
const CALL_CODES: ReadonlyMap<string, CallRefusalCode> = new Map<string, CallRefusalCode>([
  ['run_revoked', 'run_revoked'],
  ['budget_exceeded', 'budget_exceeded'],
  ['authority_disconnected', 'authority_unreachable'],
  ['exchange_in_progress', 'exchange_in_progress'],
  ['run_ended_before_use', 'exchange_in_progress'],
  ['terminating', 'run_ended'],
  ['start_rate_exceeded', 'overloaded'],
]);

/** What a run holds is removed at its end. */
const isHeld = ({ keys, secret }: HeldCredentials): boolean =>
  keys !== undefined || secret !== undefined;

type ToCallRefusal = (refusal: RunRefusal) => CallRefusal;

const createRefusalConverter =
  (unavailable: CallRunsDeps['unavailable']): ToCallRefusal =>
  ({ code, nature, message }) => ({
    code: CALL_CODES.get(code) ?? (nature === 'refused' ? 'run_refused' : unavailable),
    message: `no run for this key: ${code}: ${message}`,
  });

/** Creates what lets a call use an active run. */
const createRunEntry = (
  { registry, budgets }: CallRunsDeps,
  inFlight: CallsInFlight,
  toCallRefusal: ToCallRefusal,
) => {
  /** Ends a run whose budget is used up; the calls in flight get the same refusal. */
  const exceed = (active: ActiveRun, refusal: RunRefusal): CallRefusal => {
    const cause = toCallRefusal(refusal);
    inFlight.abort(active, cause);
    registry.exceedBudget(active);
    return cause;
  };

  /** A call that moved to another run uses that run's budget. */
  const createMeter = (call: CallInFlight, countsTokens: boolean): CallMeter => {
    const take = (kind: BudgetKind, count: number): boolean => {
      const { active } = call.runCalls;
      const refusal = budgets?.open(active)?.take(kind, count);
      if (refusal !== undefined) exceed(active, refusal);
      return refusal === undefined;
    };
    return {
      takeBytes: (count) => take('bytesOut', count),
      addTokens: (count) => void take('tokens', count),
      addDenial: () => void take('denials', 1),
      countsTokens,
    };
  };

  /** Every use of a run's keys is checked as if they left the sidecar. */
  return (active: ActiveRun): CallRun | CallRefusal => {
    const { held, run, task, oversight } = active;
    if (held === undefined || !isHeld(held) || !registry.markServed(active)) {
      const closed = budgets?.findRefusal(task.name);
      return closed === undefined ? runEnded : toCallRefusal(closed);
    }
    const runCalls = inFlight.open(active);
    const budget = budgets?.open(active);
    const exceeded = budget?.beginCall();
    if (exceeded !== undefined) return exceed(active, exceeded);
    const call = inFlight.begin(runCalls);
    return {
      run,
      task: task.name,
      allow: held.allow,
      account: runCalls.account,
      ...(held.keys !== undefined && { keys: held.keys }),
      ...(held.secret !== undefined && { secret: held.secret }),
      ...(oversight !== undefined && { oversight }),
      signText: runCalls.signText,
      ...(budget && { meter: createMeter(call, budget.has('tokens')) }),
      signal: call.abort.signal,
      endWithRun: () => (call.endsWithRun = true),
      release: () => void call.runCalls.calls.delete(call),
      expire: () => registry.expire(active),
    };
  };
};

/** Connects calls with runs: which run a call uses, and what becomes of it when that run ends. */
export const createCallRuns = (deps: CallRunsDeps): CallRuns => {
  const { admitted, registry, schedule } = deps;
  const inFlight = createCallsInFlight({ registry, schedule });
  const toCallRefusal = createRefusalConverter(deps.unavailable);
  const enter = createRunEntry(deps, inFlight, toCallRefusal);

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
    if (found.freshness === 'stale' && !endsCalls(task)) return enter(found.run);
    const getProgress = (): RunRefusal => registry.getProgress(consumer, task);
    const waiting = { timeoutMs: EXCHANGE_TIMEOUT_MS, schedule, getProgress };
    const result = await waitForAnswer(started, waiting);
    return result.kind === 'refusal' && found.freshness === 'stale'
      ? enter(found.run)
      : enterResult(result);
  };

  return {
    resolve: async ({ consumer, task: taskName, run }) => {
      if (run !== undefined) return enterExplicit(consumer, run);
      const found = findTask(admitted, { consumer, taskName });
      return found.kind === 'refusal' ? toCallRefusal(found) : enterCurrent(consumer, found.task);
    },
    end: (active, reason) =>
      inFlight.end(active, reason, () => {
        const refusal = registry.findRevocationRefusal(active.consumer, active.run);
        return refusal === undefined ? runEnded : toCallRefusal(refusal);
      }),
  };
};
