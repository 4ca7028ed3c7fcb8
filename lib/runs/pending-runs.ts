import type { Task } from '../contract/task.ts';
import type { RunResult } from './response-timeout.ts';
import type { Exchange, IssuedRun, RunRequest } from '../contract/exchange.ts';
import type { Clock } from '../contract/clock.ts';
import type { EndReason, ActiveRun, ActiveRuns } from './active-runs.ts';
import {
  buildRetryingRefusal,
  exchangeInProgress,
  runEndedBeforeUse,
  buildClockSkewRefusal,
  toRunRefusal,
  type RunRefusal,
} from './run-refusal.ts';

/** How a run starts. */
export type StartOptions = {
  readonly isExplicit: boolean;
  /** The active run that this one renews. A renewal never ends other runs. */
  readonly renews?: ActiveRun;
};

type PendingRun = {
  readonly consumer: string;
  readonly renews: string;
  readonly abort: AbortController;
};

type PendingRunDeps = {
  readonly exchange: Exchange;
  readonly activeRuns: ActiveRuns;
  readonly clock: Pick<Clock, 'monotonic'>;
  /** The refusal of a run that was revoked while its exchange was in progress. */
  readonly checkRevocation: (
    issued: Pick<IssuedRun, 'run' | 'ancestors'>,
    task: Task,
  ) => RunRefusal | undefined;
  /** Receives what was issued for a run that does not start. */
  readonly discarded: (issued: IssuedRun) => void;
};

export type PendingRuns = ReturnType<typeof createPendingRuns>;

/**
 * Exchanges in progress. An abandoned one resolves at once with a refusal; the credentials that its
 * exchange may still return are dropped and never served.
 */
export const createPendingRuns = (deps: PendingRunDeps) => {
  const { exchange, activeRuns, clock, checkRevocation, discarded } = deps;
  const pending = new Set<PendingRun>();
  const failures = createFailureMemory(clock);

  const abandon = (matches: (pending: PendingRun) => boolean, refusal: RunRefusal): void => {
    for (const run of [...pending].filter(matches)) run.abort.abort(refusal);
  };

  /** Ends a run and abandons its pending renewal, which was decided for a run that no longer exists. */
  const end = (run: string, reason: EndReason): boolean => {
    if (reason !== 'expired') abandon(({ renews }) => renews === run, runEndedBeforeUse);
    return activeRuns.end(run, reason);
  };

  const supersedeOthers = (consumer: string): void => {
    abandon((other) => other.consumer === consumer, runEndedBeforeUse);
    for (const other of activeRuns.all())
      if (other.consumer === consumer) end(other.run, 'superseded');
  };

  const exchangeRun = async (
    request: RunRequest,
    options: StartOptions,
    self: PendingRun,
  ): Promise<RunResult> => {
    const { isExplicit, renews } = options;
    const requestedAt = clock.monotonic();
    try {
      const issued = await exchange(request, self.abort.signal, (error) =>
        failures.add(request, toRunRefusal(error)),
      );
      failures.clear(request);
      const discard = (refusal: RunRefusal): RunRefusal => {
        discarded(issued);
        return refusal;
      };
      if (self.abort.signal.aborted) return discard(runEndedBeforeUse);
      pending.delete(self);
      const refusal = checkRevocation(issued, request.task);
      if (refusal !== undefined) return discard(refusal);
      if (request.task.exclusive && renews === undefined) supersedeOthers(request.consumer);
      const started = activeRuns.add(issued, request, { isExplicit, requestedAt });
      const { lifetimeSeconds } = request.task;
      return started ?? discard(buildClockSkewRefusal(lifetimeSeconds, issued.skewMs));
    } catch (thrown) {
      const refusal = toRunRefusal(thrown);
      failures.add(request, refusal);
      return refusal;
    }
  };

  /** Exchanges tokens and starts the run. Never rejects. */
  const start = async (request: RunRequest, options: StartOptions): Promise<RunResult> => {
    const abort = new AbortController();
    const self = { consumer: request.consumer, renews: options.renews?.run ?? '', abort };
    const abandoned = new Promise<RunResult>((resolve) => {
      abort.signal.addEventListener('abort', () => resolve(abort.signal.reason as RunRefusal));
    });
    pending.add(self);
    try {
      return await Promise.race([exchangeRun(request, options, self), abandoned]);
    } finally {
      pending.delete(self);
    }
  };

  return {
    start,
    end,
    abandonAll: (refusal: RunRefusal) => abandon(() => true, refusal),
    getProgress: failures.getProgress,
  };
};

type Started = Pick<RunRequest, 'consumer' | 'task'>;

/** The last failure of each consumer's task since its last success: consumers do not wait for the end of all retries. */
const createFailureMemory = ({ monotonic }: Pick<Clock, 'monotonic'>) => {
  const failures = new Map<string, { readonly refusal: RunRefusal; readonly at: number }>();
  const buildKey = ({ consumer, task }: Started): string => `${consumer}/${task.name}`;
  return {
    add: (run: Started, refusal: RunRefusal): void =>
      void failures.set(buildKey(run), { refusal, at: monotonic() }),
    clear: (run: Started): void => void failures.delete(buildKey(run)),
    /** The refusal during an exchange, with the last failure if there is one. */
    getProgress: (consumer: string, task: Task): RunRefusal => {
      const failure = failures.get(buildKey({ consumer, task }));
      return failure === undefined
        ? exchangeInProgress
        : buildRetryingRefusal(failure.refusal, monotonic() - failure.at);
    },
  };
};
