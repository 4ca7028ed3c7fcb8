import type { IncomingMessage } from 'node:http';
import { readBody } from '../../async/body.ts';
import type { BodyBuffers } from '../../calls/body-buffers.ts';
import type { BodyPlan } from '../../calls/body-plan.ts';
import { sha256 } from '../../signing/canonical.ts';
import {
  buildFramedBody,
  buildPlainBody,
  decodePayload,
  type UpstreamBody,
} from './call-bodies.ts';
import type { CallExchange, CallRecords } from './call-record.ts';
import { sendContinue } from './call-responses.ts';
import { refuse } from './refused-call.ts';

export type BodySteps = ReturnType<typeof createBodySteps>;

export type BodyStepDeps = {
  readonly dialect: 'aws' | 's3';
  readonly buffers: Pick<BodyBuffers, 'reserve'>;
  readonly maxBodyBytes: number;
};

type BodyReaderDeps = Omit<BodyStepDeps, 'dialect'>;

/** Creates the function that reads the whole body of a call. Memory is limited for all calls together. */
export const createBodyReader = (
  deps: BodyReaderDeps,
  records: CallRecords,
): ((exchange: CallExchange, consumer: string) => Promise<Buffer>) => {
  const { maxBodyBytes } = deps;
  const read = async ({ incoming }: CallExchange): Promise<Buffer> => {
    const { kind, bytes } = await readBody(incoming, { maxBytes: maxBodyBytes });
    if (kind === 'too_large') return refuseLarge(maxBodyBytes);
    return kind === 'complete' ? bytes : refuse('request_malformed', MISSING_REST);
  };
  return createReservedReader(deps, records, read);
};

const MISSING_REST = 'expected the rest of the body';

const refuseLarge = (maxBodyBytes: number): never =>
  refuse('body_too_large', `expected a body of at most ${maxBodyBytes} bytes`);

/** Reserves memory before the first byte is read. */
const createReservedReader = (
  { buffers, maxBodyBytes }: BodyReaderDeps,
  records: CallRecords,
  read: (exchange: CallExchange) => Promise<Buffer>,
) => {
  const reserve = async ({ incoming, releases }: CallExchange, consumer: string): Promise<void> => {
    const { 'content-length': length, 'transfer-encoding': coding } = incoming.headers;
    const bytes = coding === undefined ? Number(length ?? 0) : maxBodyBytes;
    if (bytes > maxBodyBytes) refuseLarge(maxBodyBytes);
    if (bytes === 0) return;
    const release =
      (await buffers.reserve(consumer, bytes)) ??
      refuse('overloaded', 'no memory for the body: too many bodies are read at this time');
    releases.push(release);
  };

  const readReserved = async (exchange: CallExchange, consumer: string): Promise<Buffer> => {
    const { incoming, outgoing } = exchange;
    await reserve(exchange, consumer);
    if (incoming.destroyed) refuse('request_malformed', MISSING_REST);
    sendContinue(incoming, outgoing);
    return read(exchange);
  };

  return (exchange: CallExchange, consumer: string): Promise<Buffer> =>
    records.wait(exchange.record, readReserved(exchange, consumer));
};

/** How the bodies of calls are read and built. */
export const createBodySteps = (deps: BodyStepDeps, records: CallRecords) => {
  const { dialect, maxBodyBytes } = deps;
  const readWhole = createBodyReader(deps, records);
  return {
    maxBodyBytes,
    readWhole,
    /** Reads a body without its framing. */
    readPayload: (
      exchange: CallExchange,
      { plan, consumer }: { plan: BodyPlan; consumer: string },
    ): Promise<Buffer> => {
      if (plan.kind !== 'chunked') return readWhole(exchange, consumer);
      // The connection must stay open for a refusal.
      const decode = ({ incoming }: CallExchange): Promise<Buffer> =>
        decodePayload(incoming.iterator({ destroyOnReturn: false }), plan.format);
      return createReservedReader(deps, records, decode)(exchange, consumer);
    },
    buildBody: (
      { plan, body }: { plan: BodyPlan; body?: Buffer },
      incoming: IncomingMessage,
    ): UpstreamBody => {
      if (plan.kind === 'chunked' && body === undefined) {
        return (dialect === 's3' ? buildPlainBody : buildFramedBody)(incoming, plan.format);
      }
      if (plan.kind === 'stream' && body === undefined) {
        const { length, payloadHash } = plan;
        const headers = new Map([['content-length', String(length)]]);
        return { body: length === 0 ? null : incoming, payloadHash, headers };
      }
      const bytes = body ?? Buffer.alloc(0);
      const headers = new Map([['content-length', String(bytes.length)]]);
      return { body: bytes.length === 0 ? null : bytes, payloadHash: sha256(bytes), headers };
    },
  };
};
