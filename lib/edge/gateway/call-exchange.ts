import type { IncomingMessage, ServerResponse } from 'node:http';
import { readBody } from '../../async/body.ts';
import type { BodyBuffers } from '../../calls/body-buffers.ts';
import type { CallRecord, CallRecords } from './call-record.ts';
import { refuse } from './refused-call.ts';

/** One call and its connection. */
export type Exchange = {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  readonly record: CallRecord;
  /** Called once when the call has ended. */
  readonly releases: (() => void)[];
};

/** Aborted when the client has closed its connection. */
export const watchClosed = (outgoing: ServerResponse): AbortSignal => {
  const closed = new AbortController();
  if (outgoing.destroyed) closed.abort();
  else outgoing.once('close', () => closed.abort());
  return closed.signal;
};

/** Creates the function that reads the whole body of a call. Memory is limited for all calls together. */
export const createBodyReader = (
  { buffers, maxBodyBytes }: { buffers: Pick<BodyBuffers, 'reserve'>; maxBodyBytes: number },
  records: CallRecords,
): ((exchange: Exchange, consumer: string) => Promise<Buffer>) => {
  const refuseLarge = (): never =>
    refuse('body_too_large', `expected a body of at most ${maxBodyBytes} bytes`);

  /** Memory is reserved before the first byte is read. */
  const reserve = async ({ incoming, releases }: Exchange, consumer: string): Promise<void> => {
    const { 'content-length': length, 'transfer-encoding': coding } = incoming.headers;
    const bytes = coding === undefined ? Number(length ?? 0) : maxBodyBytes;
    if (bytes > maxBodyBytes) refuseLarge();
    if (bytes === 0) return;
    const release =
      (await buffers.reserve(consumer, bytes)) ??
      refuse('overloaded', 'no memory for the body: too many bodies are read at this time');
    releases.push(release);
  };

  const readReserved = async (exchange: Exchange, consumer: string): Promise<Buffer> => {
    const { incoming, outgoing } = exchange;
    await reserve(exchange, consumer);
    if (incoming.destroyed) refuse('request_malformed', 'expected the rest of the body');
    if (incoming.headers.expect !== undefined) outgoing.writeContinue();
    const { kind, bytes } = await readBody(incoming, { maxBytes: maxBodyBytes });
    if (kind === 'too_large') return refuseLarge();
    return kind === 'complete'
      ? bytes
      : refuse('request_malformed', 'expected the rest of the body');
  };

  return (exchange, consumer) => records.wait(exchange.record, readReserved(exchange, consumer));
};
