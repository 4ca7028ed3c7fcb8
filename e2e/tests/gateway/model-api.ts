import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { text as readText } from 'node:stream/consumers';

/** What the API answers, piece by piece. */
export const ANSWER_PARTS = ['A ', 'few ', 'words.'];

export type ModelCall = {
  readonly path: string;
  /** What the client asks: the name of the client, and a command. */
  readonly asked: string;
  readonly userAgent: string;
  /** Milliseconds of a monotonic clock. */
  readonly at: number;
};

export type ModelApi = { readonly listener: RequestListener; readonly calls: readonly ModelCall[] };

type Format = {
  readonly whole: object;
  /** Events around the parts: [name, data]. */
  readonly begin: readonly object[];
  readonly buildPart: (text: string) => object;
  readonly end: readonly object[];
  readonly done: string;
};

const text = ANSWER_PARTS.join('');
const message = {
  ...{ id: 'msg-1', type: 'message', role: 'assistant', model: 'e2e-model' },
  usage: { input_tokens: 1, output_tokens: 3 },
};
const completion = { id: 'chat-1', created: 1, model: 'e2e-model' };

const FORMATS: Readonly<Record<string, Format>> = {
  '/v1/chat/completions': {
    whole: {
      ...completion,
      object: 'chat.completion',
      choices: [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop' }],
    },
    begin: [],
    buildPart: (content) => ({
      ...completion,
      object: 'chat.completion.chunk',
      choices: [{ index: 0, delta: { content } }],
    }),
    end: [],
    done: 'data: [DONE]\n\n',
  },
  '/v1/messages': {
    whole: { ...message, stop_reason: 'end_turn', content: [{ type: 'text', text }] },
    begin: [
      { type: 'message_start', message: { ...message, content: [], stop_reason: null } },
      { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
    ],
    buildPart: (part) => ({
      ...{ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: part } },
    }),
    end: [
      { type: 'content_block_stop', index: 0 },
      {
        ...{ type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null } },
        usage: { output_tokens: 3 },
      },
      { type: 'message_stop' },
    ],
    done: '',
  },
};

const sendJson = (
  response: ServerResponse,
  status: number,
  body: object,
  headers: Record<string, string> = {},
): void => {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
};

const sendEvent = (response: ServerResponse, data: object): void => {
  const { type } = data as { type?: string };
  const name = type === undefined ? '' : `event: ${type}\n`;
  response.write(`${name}data: ${JSON.stringify(data)}\n\n`);
};

const readAsked = (body: string): { asked: string; isStream: boolean } => {
  const { messages = [], stream } = JSON.parse(body || '{}') as {
    messages?: { content: string }[];
    stream?: boolean;
  };
  return { asked: messages[0]?.content ?? '', isStream: stream === true };
};

/**
 * A stub of the APIs of OpenAI and Anthropic, which no test can reach. It accepts only the real keys.
 * `<name> busy` is refused once with 429 and Retry-After; `<name> stream` goes on after its first event
 * only when `<name> received` was asked.
 */
export const createModelApi = (keys: { openai: string; anthropic: string }): ModelApi => {
  const calls: ModelCall[] = [];
  const received = new Map<string, PromiseWithResolvers<undefined>>();
  const getReceived = (name: string): PromiseWithResolvers<undefined> => {
    const found = received.get(name) ?? Promise.withResolvers<undefined>();
    received.set(name, found);
    return found;
  };

  const sendStream = async (response: ServerResponse, format: Format, id: string) => {
    const { begin, buildPart, end, done } = format;
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const event of begin) sendEvent(response, event);
    for (const [index, part] of ANSWER_PARTS.entries()) {
      if (index === 1) await getReceived(id).promise;
      sendEvent(response, buildPart(part));
    }
    for (const event of end) sendEvent(response, event);
    response.end(done);
  };

  const isKnown = ({ headers, url = '' }: IncomingMessage): boolean =>
    url === '/v1/messages'
      ? headers['x-api-key'] === keys.anthropic && headers.authorization === undefined
      : headers.authorization === `Bearer ${keys.openai}`;

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { url: path = '', headers } = request;
    const { asked, isStream } = readAsked(await readText(request));
    const isFirst = !calls.some((call) => call.path === path && call.asked === asked);
    const userAgent = headers['user-agent'] ?? '';
    calls.push({ path, asked, userAgent, at: performance.now() });
    const format = FORMATS[path];
    const [name = '', command = ''] = asked.split(' ');
    const id = `${path} ${name}`;
    if (!isKnown(request) || format === undefined) {
      sendJson(response, 401, { error: { message: 'wrong key' } });
    } else if (command === 'busy' && isFirst) {
      sendJson(response, 429, { error: { message: 'busy' } }, { 'retry-after': '2' });
    } else if (isStream) {
      await sendStream(response, format, id);
    } else {
      if (command === 'received') getReceived(id).resolve(undefined);
      sendJson(response, 200, format.whole);
    }
  };
  return { calls, listener: (request, response) => void answer(request, response) };
};
