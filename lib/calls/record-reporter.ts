import { computeFullJitterMs } from '../async/backoff.ts';
import { createWorkerPool } from '../async/worker-pool.ts';
import type { CallHead } from '../contract/authority-api.ts';
import { ExchangeError } from '../contract/exchange.ts';
import type { Schedule } from '../contract/schedule.ts';
import { mergeCallHeads } from './call-summary.ts';
import type { CallReport } from './journal.ts';

const BACKOFF = { firstMs: 1_000, maxMs: 60_000 };
/** Runs whose heads wait during an outage of the authority. Above it the oldest is given up. */
const MAX_QUEUED = 256;
/** When the pod terminates, all runs end at once. */
const DRAIN_CONCURRENCY = 8;

export type RecordReportOutcome = 'reported' | 'refused' | 'given_up';

export type RecordReporter = {
  /** Queues a head; never blocks, never throws. */
  readonly report: (report: CallReport) => void;
  /** Sends the queued heads concurrently; resolves when all are sent or after `withinMs`. */
  readonly drain: (withinMs: number) => Promise<void>;
};

/**
 * Creates a queue that sends heads of journals to the authority, one at a time. While the authority is
 * unavailable, the heads of one run merge, and no call waits.
 */
export const createRecordReporter = ({
  send,
  onOutcome,
  schedule,
  random,
}: {
  /** @throws ExchangeError */
  readonly send: (report: CallReport) => Promise<void>;
  readonly onOutcome: (report: CallReport, outcome: RecordReportOutcome) => void;
  readonly schedule: Schedule;
  readonly random: () => number;
}): RecordReporter => {
  let queue = new Map<string, CallHead>();
  let failures = 0;

  const takeFirst = (): CallReport | undefined => {
    const [first] = queue;
    if (first === undefined) return undefined;
    const [run, calls] = first;
    queue.delete(run);
    return { run, calls };
  };
  const giveUpOldest = (): void => {
    const oldest = queue.size > MAX_QUEUED ? takeFirst() : undefined;
    if (oldest !== undefined) onOutcome(oldest, 'given_up');
  };
  /** Before the others, merged with what was queued meanwhile. */
  const putBack = ({ run, calls }: CallReport): void => {
    const added = queue.get(run);
    queue.delete(run);
    queue = new Map([[run, added === undefined ? calls : mergeCallHeads(calls, added)], ...queue]);
    giveUpOldest();
  };
  const deliver = async (next: CallReport, pause: (ms: number) => Promise<void>): Promise<void> => {
    try {
      await send(next);
      failures = 0;
      onOutcome(next, 'reported');
    } catch (thrown) {
      if (!(thrown instanceof ExchangeError) || thrown.kind === 'refused') {
        onOutcome(next, 'refused');
        return;
      }
      putBack(next);
      failures += 1;
      const jitterMs = computeFullJitterMs(failures, { ...BACKOFF, random });
      await pause(jitterMs + Math.min(BACKOFF.maxMs, thrown.retryAfterMs ?? 0));
    }
  };
  const pool = createWorkerPool({ take: takeFirst, handle: deliver, schedule });
  return {
    report: ({ run, calls }) => {
      const waiting = queue.get(run);
      queue.set(run, waiting === undefined ? calls : mergeCallHeads(waiting, calls));
      giveUpOldest();
      pool.start();
    },
    drain: (withinMs) => pool.drain(withinMs, DRAIN_CONCURRENCY),
  };
};
