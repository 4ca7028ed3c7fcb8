import type { EndedCall } from '../../calls/ended-call.ts';
import type { NoteRefusal } from '../../calls/noted-refusals.ts';
import type { Clock } from '../../contract/clock.ts';
import { createExchangeHandler, type HandleCall } from './call-exchange.ts';
import { createCallRecords, type CallExchange } from './call-record.ts';
import { respondRefused } from './call-responses.ts';
import { createCallSteps, type CallStepDeps } from './call-steps.ts';
import { refuseUnjournaled, toRefusal } from './refused-call.ts';

/** What the gateway needs of the rest of the sidecar. */
export type CallHandlerDeps = CallStepDeps & {
  readonly clock: Clock;
  readonly createId: () => string;
  /** Whether the calls cannot be journaled: then none is passed on. */
  readonly isJournalBlocked: () => boolean;
  /** Absent in tests: nothing is remembered. */
  readonly noteRefusal?: NoteRefusal | undefined;
  readonly begun: () => void;
  readonly report: (outcome: EndedCall) => void;
};

/**
 * Creates the handler of AWS calls. One call is read from top to bottom in `handleCall`: nothing
 * reaches the cloud before the signature is verified and the call is within its task.
 */
export const createCallHandler = (deps: CallHandlerDeps): HandleCall => {
  const records = createCallRecords(deps);
  const steps = createCallSteps(deps, records);

  const handleCall = async (
    exchange: CallExchange,
    consumer: string | undefined,
  ): Promise<number> => {
    refuseUnjournaled(deps);
    const identified = steps.identify(exchange, consumer);
    const verified = await steps.readAndVerify(exchange, identified);
    const operation = steps.recognize(exchange, verified);
    const run = await steps.enterRun(exchange);
    const allowed = steps.authorize(exchange, { ...verified, run }, operation);
    return steps.forward(exchange, await steps.passGates(exchange, allowed));
  };

  const endFailed = ({ incoming, outgoing, record }: CallExchange, thrown: unknown): EndedCall => {
    const isClosed = outgoing.destroyed;
    const isBegun = outgoing.headersSent;
    const refusal = toRefusal(thrown);
    const { code } = refusal;
    const isCut = record.run?.signal.aborted === true || isBegun || isClosed;
    const outcome =
      record.sentAt === undefined || code === 'checksum_mismatch' || code === 'chunks_malformed'
        ? 'refused'
        : isCut
          ? 'cut'
          : 'failed';
    if (isBegun || isClosed) {
      outgoing.destroy();
      const isClient = record.run?.signal.aborted !== true && isClosed;
      return records.end(record, { outcome, code: isClient ? 'client_closed' : code });
    }
    const noted = records.note(record, refusal);
    const status = respondRefused(incoming, outgoing, { id: record.id, refusal: noted });
    return records.end(record, { outcome, code, status });
  };

  return createExchangeHandler(deps, records, { handleCall, endFailed });
};
