import { Readable } from 'node:stream';
import { createPieceList } from '../../async/piece-list.ts';
import type { BodyBuffers } from '../../calls/body-buffers.ts';
import {
  filterServerMessage,
  planMcpAnswer,
  type AnswerRules,
  type FilteredAnswer,
} from '../../mcp/answer-filter.ts';
import { createEventStreamFilter } from '../../mcp/event-stream.ts';
import { MAX_ANSWER_BYTES, type McpMessage } from '../../mcp/messages.ts';
import { renderMcpRefusal } from '../../mcp/refusal-rendering.ts';
import { refuseMcp, type McpResult } from '../../mcp/refusals.ts';
import { readListAnswer, type ListAnswer } from '../../mcp/tools-listing.ts';
import type { CloudResponse } from './call-responses.ts';
import { refuse, RefusedCall, requireValue } from './refused-call.ts';

/** How the answers of one call are read. */
export type AnswerContext = {
  readonly rules: AnswerRules;
  /** Whether a text shows the secret of the run. */
  readonly isEchoed: (text: string) => boolean;
  readonly consumer: string;
  readonly buffers: Pick<BodyBuffers, 'reserve'>;
  /** Sends the gateway's own answer to a request of the server. */
  readonly reply: (text: string) => void;
};

/** Of one answer, without the memory that all bodies share: most messages are smaller. */
const FREE_BYTES = 64 * 1024;
const RESERVED_STEP = 256 * 1024;

/** Holds as much of the shared memory as one answer needs at a time. */
const createHeldMemory = ({ buffers, consumer }: AnswerContext) => {
  const releases: (() => void)[] = [];
  const release = (): void => {
    for (const each of releases.splice(0)) each();
  };
  return {
    hold: async (bytes: number): Promise<void> => {
      if (bytes <= FREE_BYTES) release();
      while (bytes > FREE_BYTES + releases.length * RESERVED_STEP) {
        const taken = await buffers.reserve(consumer, RESERVED_STEP);
        releases.push(taken ?? refuse('overloaded', 'no memory for the answer of the MCP server'));
      }
    },
    release,
  };
};

/** JSON can write any character as `\uXXXX`, which a scanner of bytes does not see. */
const normalize = (text: string): string =>
  text.includes('\\u') ? JSON.stringify(JSON.parse(text)) : text;

/** Filters one message, and refuses one that holds the secret. */
const createMessageFilter =
  ({ rules, isEchoed }: AnswerContext) =>
  (message: Uint8Array): McpResult<FilteredAnswer> => {
    const filtered = filterServerMessage(message, rules);
    const forward = filtered.ok ? filtered.value.forward : undefined;
    return forward !== undefined && isEchoed(normalize(forward))
      ? refuseMcp(
          'secret_echoed',
          'the MCP server answered with the secret that was presented to it',
        )
      : filtered;
  };

const ignoreErrors = (body: Readable): Readable => body.on('error', () => undefined);

/** Reads one message to its end. */
const readMessage = async (body: Readable, context: AnswerContext): Promise<FilteredAnswer> => {
  const memory = createHeldMemory(context);
  const chunks = createPieceList();
  let size = 0;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > MAX_ANSWER_BYTES) {
        refuse('upstream_untrusted', `expected messages of at most ${MAX_ANSWER_BYTES} bytes`);
      }
      await memory.hold(size);
      chunks.push(chunk);
    }
    return requireValue(createMessageFilter(context)(Buffer.concat(chunks.list())));
  } finally {
    memory.release();
    ignoreErrors(body).destroy();
  }
};

/** Filters an event stream, event by event. */
const createEventFilter = (context: AnswerContext) =>
  async function* (source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    const memory = createHeldMemory(context);
    const stream = createEventStreamFilter(createMessageFilter(context));
    try {
      for await (const chunk of source) {
        const { forward, replies } = requireValue(stream.push(chunk));
        for (const text of replies) context.reply(text);
        if (forward !== '') yield Buffer.from(forward);
        await memory.hold(stream.getPendingBytes());
      }
    } finally {
      memory.release();
    }
  };

/** Ends a stream with a refusal that the client can read: it would wait for an answer that is cut. */
const endWithRefusal = (
  filter: ReturnType<typeof createEventFilter>,
  { message, onRefused }: { message: McpMessage; onRefused: (thrown: RefusedCall) => void },
) =>
  async function* (source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    try {
      yield* filter(source);
    } catch (thrown) {
      if (!(thrown instanceof RefusedCall)) throw thrown;
      onRefused(thrown);
      yield Buffer.from(`data: ${renderMcpRefusal(thrown.refusal, message).body}\n\n`);
    }
  };

/** An answer as the client gets it. */
export type FilteredResponse = {
  readonly response: CloudResponse;
  /** Of an event stream. */
  readonly filter?: (source: AsyncIterable<Buffer>) => AsyncIterable<Buffer>;
};

const readPlan = ({ status, headers, body }: CloudResponse) => {
  const contentType = headers['content-type'];
  const plan = planMcpAnswer({
    status,
    contentType: typeof contentType === 'string' ? contentType : undefined,
  });
  if (!plan.ok) ignoreErrors(body).destroy();
  return requireValue(plan);
};

/**
 * Filters the answer of an MCP server.
 *
 * @param message that it answers; absent: the client only listens
 * @throws RefusedCall `upstream_untrusted`, `secret_echoed`, `overloaded`; `onRefused` gets what ends a
 *   stream that has begun
 */
export const filterMcpResponse = async (
  response: CloudResponse,
  context: AnswerContext,
  { message, onRefused }: { message?: McpMessage; onRefused: (thrown: RefusedCall) => void },
): Promise<FilteredResponse> => {
  const plan = readPlan(response);
  if (plan === 'text') return { response };
  const headers = { ...response.headers, 'content-length': undefined };
  if (plan === 'events') {
    const filter = createEventFilter(context);
    return {
      response: { ...response, headers },
      filter: message === undefined ? filter : endWithRefusal(filter, { message, onRefused }),
    };
  }
  const { forward } = await readMessage(response.body, context);
  const text = forward ?? refuse('upstream_untrusted', 'expected a response, got a request');
  const body = Buffer.from(text);
  return {
    response: {
      ...response,
      headers: { ...headers, 'content-length': String(body.length) },
      body: Readable.from([body], { objectMode: false }),
    },
  };
};

const readListEvents = async (body: Readable, context: AnswerContext): Promise<ListAnswer> => {
  const filterMessage = createMessageFilter(context);
  let answer: ListAnswer | undefined;
  const stream = createEventStreamFilter((event) => {
    const filtered = filterMessage(event);
    if (filtered.ok) answer ??= readListAnswer(filtered.value.forward ?? '{}');
    return filtered;
  });
  let left = MAX_ANSWER_BYTES;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      left -= chunk.length;
      const { replies } = requireValue(stream.push(chunk));
      for (const text of replies) context.reply(text);
      if (answer !== undefined) return answer;
      if (left < 0) break;
    }
  } finally {
    ignoreErrors(body).destroy();
  }
  return refuse('upstream_untrusted', 'expected a list of tools from the MCP server');
};

/**
 * Reads the answer to the gateway's own `tools/list`; its tools are noted by the pins in `rules`.
 *
 * @throws RefusedCall as {@link filterMcpResponse}; `session_unknown` if the server ended the session
 */
export const readToolsList = async (
  response: CloudResponse,
  context: AnswerContext,
): Promise<ListAnswer> => {
  const plan = readPlan(response);
  if (plan === 'events') return readListEvents(response.body, context);
  if (plan === 'text') {
    ignoreErrors(response.body).destroy();
    return response.status === 404
      ? refuse('session_unknown', 'the MCP server ended the session')
      : refuse('upstream_untrusted', `expected a list of tools, got status ${response.status}`);
  }
  const { forward = '{}' } = await readMessage(response.body, context);
  return (
    readListAnswer(forward) ??
    refuse('upstream_untrusted', 'expected a list of tools from the MCP server')
  );
};
