import type { IncomingMessage, ServerResponse } from 'node:http';
import { CALL_REFUSALS, isRefusalCode } from '../../calls/call-refusals.ts';
import type { CallRun, CallRuns } from '../../calls/call-runs.ts';
import type { EndedCall } from '../../calls/ended-call.ts';
import type { CallExchange, CallRecords } from './call-record.ts';
import { refuse } from './refused-call.ts';

/** Handles one call; never rejects. `consumer`: whose socket it came in by; absent: loopback. */
export type HandleCall = (
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  consumer?: string,
) => Promise<void>;

/** Codes of status 403 that say nothing about what the consumer asked for. */
const ENDS: readonly string[] = [
  ...['run_ended', 'run_revoked', 'run_refused', 'budget_exceeded'],
  // People have not decided yet.
  ...['approval_pending', 'approval_expired', 'approval_used', 'approval_policy_changed'],
];

/** Whether a call counts for the budget of denials: a busy gateway and malformed requests do not. */
const isDenial = ({ outcome, code = '' }: EndedCall): boolean =>
  outcome === 'refused' &&
  isRefusalCode(code) &&
  CALL_REFUSALS[code].status === 403 &&
  !ENDS.includes(code);

/** A refusal of our own is no answer of the server. */
const endAttempt = ({ record, outgoing }: CallExchange, { outcome }: EndedCall): void => {
  const isAnswered = outcome === 'allowed' || (outcome === 'cut' && outgoing.headersSent);
  record.attempt?.end({ isSent: record.sentAt !== undefined, isAnswered });
};

/**
 * Creates the handler of one kind of calls: each is begun once, and released and reported once, however it
 * ends.
 *
 * @param kind `handleCall` returns the status that the client got; `endFailed` ends a call that it threw
 */
export const createExchangeHandler =
  (
    { begun, report }: { begun: () => void; report: (ended: EndedCall) => void },
    records: CallRecords,
    kind: {
      handleCall: (exchange: CallExchange, consumer: string | undefined) => Promise<number>;
      endFailed: (exchange: CallExchange, thrown: unknown) => EndedCall;
    },
  ): HandleCall =>
  async (incoming, outgoing, consumer) => {
    begun();
    const record = records.begin(incoming);
    const exchange: CallExchange = { incoming, outgoing, record, releases: [] };
    let ended: EndedCall;
    try {
      const status = await kind.handleCall(exchange, consumer);
      ended = records.end(record, { outcome: 'allowed', status });
    } catch (thrown) {
      ended = kind.endFailed(exchange, thrown);
    }
    endAttempt(exchange, ended);
    if (isDenial(ended)) record.run?.meter?.addDenial();
    for (const release of exchange.releases) release();
    report(ended);
  };

/** Creates the step that finds or starts the run of an identified call. It throws a RefusedCall. */
export const createRunStep =
  (resolveRun: CallRuns['resolve'], records: CallRecords) =>
  async ({ record, releases }: CallExchange): Promise<CallRun> => {
    if (record.owner === undefined) throw new Error('expected an identified call');
    const run = await records.wait(record, resolveRun(record.owner));
    if ('code' in run) return refuse(run.code, run.message);
    record.run = run;
    releases.push(run.release);
    return run;
  };

/** Ends the run of a call because of its response, which the end must not cut. */
export const endRunAfterCall = ({ release, expire }: CallRun): void => {
  release();
  expire();
};
