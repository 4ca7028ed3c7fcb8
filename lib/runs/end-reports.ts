import { computeFullJitterMs } from '../async/backoff.ts';
import { createWorkerPool } from '../async/worker-pool.ts';
import type { ReleaseEnd, RunEnd } from '../contract/authority-api.ts';
import type { Clock } from '../contract/clock.ts';
import { ExchangeError } from '../contract/exchange.ts';
import type { Schedule } from '../contract/schedule.ts';

const BACKOFF = { firstMs: 250, maxMs: 30_000 };
/** More ends than a pod has during an outage of the authority. Above it the oldest is given up. */
const MAX_QUEUED = 256;
/** When the pod terminates, all runs end at once, and one second is left to report them. */
const DRAIN_CONCURRENCY = 8;

/** The end of a run. A report is useful until the run would have expired; with a release, for longer. */
export type EndReport = {
  readonly run: string;
  readonly end: RunEnd | ReleaseEnd;
  /** Sealed by the authority; revokes the run's secret. */
  readonly release?: string;
  /** For the record of its end: it says what the run was, and whose. */
  readonly ticket?: string;
  /** Runs that it delegated end with it. */
  readonly hasDelegated?: boolean;
  /** On the monotonic clock. */
  readonly until: number;
};

export type EndReportOutcome = 'reported' | 'refused' | 'given_up';

export type EndReportQueue = {
  /** Queues a report; never blocks, never throws. */
  readonly report: (report: EndReport) => void;
  /** Sends the queued reports concurrently; resolves when all are sent or after `withinMs`. */
  readonly drain: (withinMs: number) => Promise<void>;
};

/**
 * Creates a queue that reports ends of runs to the authority, one at a time, and retries each until
 * the run would have expired. The outcome does not matter to the sidecar: the run has already ended.
 */
export const createEndReportQueue = ({
  send,
  onOutcome,
  clock,
  schedule,
  random,
}: {
  /** @throws ExchangeError */
  send: (report: EndReport) => Promise<void>;
  /** Called once for each report. */
  onOutcome: (report: EndReport, outcome: EndReportOutcome) => void;
  clock: Pick<Clock, 'monotonic'>;
  schedule: Schedule;
  random: () => number;
}): EndReportQueue => {
  const queue: EndReport[] = [];

  const deliver = async (
    report: EndReport,
    pause: (ms: number) => Promise<void>,
  ): Promise<EndReportOutcome> => {
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

  const pool = createWorkerPool<EndReport>({
    take: () => queue.shift(),
    handle: async (report, pause) => onOutcome(report, await deliver(report, pause)),
    schedule,
  });

  return {
    report: (report) => {
      const oldest = queue.length >= MAX_QUEUED ? queue.shift() : undefined;
      if (oldest !== undefined) onOutcome(oldest, 'given_up');
      queue.push(report);
      pool.start();
    },
    drain: (withinMs) => pool.drain(withinMs, DRAIN_CONCURRENCY),
  };
};
