import { computeFullJitterMs } from '../async/backoff.ts';
import type { RunEnd } from '../contract/authority-api.ts';
import type { Clock } from '../contract/clock.ts';
import { ExchangeError } from '../contract/exchange.ts';
import type { Schedule } from '../contract/schedule.ts';

const BACKOFF = { firstMs: 250, maxMs: 30_000 };
/** More ends than a pod has while an authority is away; past it the oldest is given up. */
const MAX_WAITING = 256;
/** At the end of the pod every run ends at once, and there is a second for all of them. */
const DRAIN_CONCURRENCY = 8;

/** The end of a run, worth telling until the run would have ended by itself. */
export type EndReport = {
  readonly run: string;
  readonly end: RunEnd;
  /** On the clock that never jumps. */
  readonly until: number;
};

export type EndReportOutcome = 'reported' | 'refused' | 'given_up';

export type EndReportQueue = {
  /** Never waits, never throws. */
  readonly report: (report: EndReport) => void;
  /** Tells what is still to be told, several at once; waits for at most so long. */
  readonly drain: (withinMs: number) => Promise<void>;
};

/**
 * Tells the authority how runs end, one after another, trying again until a run's own end. Whatever
 * becomes of it, a run has ended here.
 *
 * @param parts.send throws ExchangeError
 * @param parts.told hears what became of each report
 */
export const createEndReportQueue = ({
  send,
  onOutcome,
  clock,
  schedule,
  random,
}: {
  send: (report: EndReport) => Promise<void>;
  onOutcome: (report: EndReport, outcome: EndReportOutcome) => void;
  clock: Pick<Clock, 'monotonic'>;
  schedule: Schedule;
  random: () => number;
}): EndReportQueue => {
  const waiting: EndReport[] = [];
  const working = new Set<Promise<void>>();
  let workers = 0;
  let wake = (): void => undefined;

  const pause = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      const cancel = schedule(ms, resolve);
      wake = () => {
        cancel();
        resolve();
      };
    });

  const deliver = async (report: EndReport): Promise<EndReportOutcome> => {
    for (let count = 0; clock.monotonic() < report.until; count += 1) {
      try {
        await send(report);
        return 'reported';
      } catch (thrown) {
        if (!(thrown instanceof ExchangeError) || thrown.kind === 'refused') return 'refused';
        const jitterMs = computeFullJitterMs(count + 1, { ...BACKOFF, random });
        await pause(jitterMs + Math.min(BACKOFF.maxMs, thrown.retryAfterMs ?? 0));
      }
    }
    return 'given_up';
  };

  const work = async (): Promise<void> => {
    workers += 1;
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      onOutcome(next, await deliver(next));
    }
    workers -= 1;
  };

  const startWorkers = (most: number): void => {
    while (waiting.length > 0 && workers < most) {
      const worker = work();
      working.add(worker);
      void worker.then(() => working.delete(worker));
    }
  };

  return {
    report: (report) => {
      const oldest = waiting.length >= MAX_WAITING ? waiting.shift() : undefined;
      if (oldest !== undefined) onOutcome(oldest, 'given_up');
      waiting.push(report);
      startWorkers(1);
    },
    drain: async (withinMs) => {
      wake();
      startWorkers(DRAIN_CONCURRENCY);
      const deadline = new Promise<void>((resolve) => void schedule(withinMs, resolve));
      await Promise.race([Promise.all([...working]), deadline]);
    },
  };
};
