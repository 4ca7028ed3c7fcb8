import { randomUUID } from 'node:crypto';

import { computeBackoffMs } from '../../lib/async/backoff.ts';
import type { ReportCanary } from '../../lib/calls/canaries.ts';
import type { DecideCall } from '../../lib/calls/gates.ts';
import { ExchangeError } from '../../lib/contract/exchange.ts';
import type { Log } from '../../lib/contract/log.ts';
import type { Schedule } from '../../lib/contract/schedule.ts';

export type CanaryReportDeps = {
  /** Absent without an authority, which makes no canaries. */
  readonly decideCall: DecideCall | undefined;
  readonly schedule: Schedule;
  readonly random: () => number;
  readonly log: Log;
};

const RETRY = { firstMs: 1_000, maxMs: 30_000 };
/** The longest lifetime of a run: its ticket does not live longer. */
const MAX_TRIES = 1_500;

/** The report has arrived, or the run has been revoked or has ended. Other refusals may be those of one replica. */
const FINAL_CODES: ReadonlySet<string> = new Set(['call_denied', 'revoked', 'ticket_invalid']);

/** Creates what reports a used canary until the authority has answered: it answers with a refusal. */
export const createCanaryReporter = ({
  decideCall,
  schedule,
  random,
  log,
}: CanaryReportDeps): ReportCanary => {
  const { signal } = new AbortController();
  return ({ run, task, oversight }, { action, resource }) => {
    log.warn('canary touched', { run, task, action });
    const ticket = oversight?.ticket;
    if (ticket === undefined || decideCall === undefined) return;
    const permission = { action, ...(resource !== undefined && { resource }) };
    const call = { operation: action, permissions: [permission] };
    const attempt = randomUUID();
    const send = async (tries: number): Promise<void> => {
      try {
        await decideCall({ ticket, call, attempt, signal });
      } catch (thrown) {
        if (thrown instanceof ExchangeError && FINAL_CODES.has(thrown.code)) return;
      }
      if (tries > MAX_TRIES) return;
      schedule(computeBackoffMs(tries, { ...RETRY, random }), () => void send(tries + 1));
    };
    void send(1);
  };
};
