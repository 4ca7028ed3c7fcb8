import type { Task } from '../contract/task.ts';
import type { RunResult } from './response-timeout.ts';
import type { Exchange, RunRequest } from '../contract/exchange.ts';
import type { Clock } from '../contract/clock.ts';
import type { EndReason, ActiveRun, ActiveRuns } from './active-runs.ts';
import {
  runEndedBeforeUse,
  buildClockSkewRefusal,
  toRunRefusal,
  type RunRefusal,
} from './run-refusal.ts';

/** How a run comes to start. */
export type StartOptions = {
  readonly isExplicit: boolean;
  /** The live run that this one will follow: a renewal is no change of context. */
  readonly renews?: ActiveRun;
};

type PendingRun = {
  readonly consumer: string;
  readonly renews: string;
  readonly abort: AbortController;
};

export type PendingRuns = ReturnType<typeof createPendingRuns>;

/**
 * Exchanges in progress, each one on its way to a live run. One that is abandoned is answered at
 * once; what its exchange still brings is dropped, never served.
 */
export const createPendingRuns = ({
  exchange,
  activeRuns,
  clock,
  checkRevocation,
}: {
  exchange: Exchange;
  activeRuns: ActiveRuns;
  clock: Pick<Clock, 'monotonic'>;
  /** Why a run that was issued may not begin all the same: it was revoked on its way. */
  checkRevocation: (run: string, task: Task) => RunRefusal | undefined;
}) => {
  const pending = new Set<PendingRun>();

  const abandon = (matches: (pending: PendingRun) => boolean, refusal: RunRefusal): void => {
    for (const one of [...pending].filter(matches)) one.abort.abort(refusal);
  };

  /** Ends a run; a renewal of it that is on its way was decided for a context that is gone. */
  const end = (run: string, reason: EndReason): boolean => {
    if (reason !== 'expired') abandon(({ renews }) => renews === run, runEndedBeforeUse);
    return activeRuns.end(run, reason);
  };

  const supersedeOthers = (consumer: string): void => {
    abandon((other) => other.consumer === consumer, runEndedBeforeUse);
    for (const other of activeRuns.all())
      if (other.consumer === consumer) end(other.run, 'superseded');
  };

  const admit = async (
    request: RunRequest,
    kind: StartOptions,
    self: PendingRun,
  ): Promise<RunResult> => {
    const { isExplicit } = kind;
    const askedAt = clock.monotonic();
    try {
      const issued = await exchange(request, self.abort.signal);
      if (self.abort.signal.aborted) return runEndedBeforeUse;
      pending.delete(self);
      const refusal = checkRevocation(issued.run, request.task);
      if (refusal !== undefined) return refusal;
      if (request.task.exclusive && kind.renews === undefined) supersedeOthers(request.consumer);
      const started = activeRuns.add(issued, request, { isExplicit, askedAt });
      return started ?? buildClockSkewRefusal(request.task.lifetimeSeconds, issued.skewMs);
    } catch (thrown) {
      return toRunRefusal(thrown);
    }
  };

  /** One exchange, and the run that it brings. Never rejects. */
  const start = async (request: RunRequest, kind: StartOptions): Promise<RunResult> => {
    const abort = new AbortController();
    const self = { consumer: request.consumer, renews: kind.renews?.run ?? '', abort };
    const abandoned = new Promise<RunResult>((resolve) => {
      abort.signal.addEventListener('abort', () => resolve(abort.signal.reason as RunRefusal));
    });
    pending.add(self);
    try {
      return await Promise.race([admit(request, kind, self), abandoned]);
    } finally {
      pending.delete(self);
    }
  };

  return { start, end, abandonAll: (refusal: RunRefusal) => abandon(() => true, refusal) };
};
