import type { Task } from '../contract/task.ts';
import type { Answer } from './answer.ts';
import type { Exchange, RunRequest } from './exchange.ts';
import type { Clock } from '../contract/clock.ts';
import type { EndReason, LiveRun, LiveRuns } from './live-runs.ts';
import { endedMeanwhile, overBeforeItBegan, refusalOf, type Refusal } from './refusal.ts';

/** How a run comes to start. */
export type StartKind = {
  readonly explicit: boolean;
  /** The live run that this one will follow: a renewal is no change of context. */
  readonly renews?: LiveRun;
};

type Pending = {
  readonly consumer: string;
  readonly renews: string;
  readonly abort: AbortController;
};

export type Starting = ReturnType<typeof openStarting>;

/**
 * Exchanges in progress, each one on its way to a live run. One that is abandoned is answered at
 * once; what its exchange still brings is dropped, never served.
 */
export const openStarting = ({
  exchange,
  live,
  clock,
  refusalOfRun,
}: {
  exchange: Exchange;
  live: LiveRuns;
  clock: Pick<Clock, 'monotonic'>;
  /** Why a run that was issued may not begin all the same: it was revoked on its way. */
  refusalOfRun: (run: string, task: Task) => Refusal | undefined;
}) => {
  const pending = new Set<Pending>();

  const abandon = (matches: (pending: Pending) => boolean, refusal: Refusal): void => {
    for (const one of [...pending].filter(matches)) one.abort.abort(refusal);
  };

  /** Ends a run; a renewal of it that is on its way was decided for a context that is gone. */
  const end = (run: string, reason: EndReason): boolean => {
    if (reason !== 'expired') abandon(({ renews }) => renews === run, endedMeanwhile);
    return live.end(run, reason);
  };

  const supersedeOthers = (consumer: string): void => {
    abandon((other) => other.consumer === consumer, endedMeanwhile);
    for (const other of live.all()) if (other.consumer === consumer) end(other.run, 'superseded');
  };

  const admit = async (request: RunRequest, kind: StartKind, self: Pending): Promise<Answer> => {
    const { explicit } = kind;
    const askedAt = clock.monotonic();
    try {
      const issued = await exchange(request, self.abort.signal);
      if (self.abort.signal.aborted) return endedMeanwhile;
      pending.delete(self);
      const refusal = refusalOfRun(issued.run, request.task);
      if (refusal !== undefined) return refusal;
      if (request.task.exclusive && kind.renews === undefined) supersedeOthers(request.consumer);
      const started = live.add(issued, request, { explicit, askedAt });
      return started ?? overBeforeItBegan(request.task.lifetimeSeconds, issued.skewMs);
    } catch (thrown) {
      return refusalOf(thrown);
    }
  };

  /** One exchange, and the run that it brings. Never rejects. */
  const start = async (request: RunRequest, kind: StartKind): Promise<Answer> => {
    const abort = new AbortController();
    const self = { consumer: request.consumer, renews: kind.renews?.run ?? '', abort };
    const abandoned = new Promise<Answer>((resolve) => {
      abort.signal.addEventListener('abort', () => resolve(abort.signal.reason as Refusal));
    });
    pending.add(self);
    try {
      return await Promise.race([admit(request, kind, self), abandoned]);
    } finally {
      pending.delete(self);
    }
  };

  return { start, end, abandonAll: (refusal: Refusal) => abandon(() => true, refusal) };
};
