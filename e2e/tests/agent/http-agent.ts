import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request, type IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { text as readText } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import Anthropic, { APIError as AnthropicError } from '@anthropic-ai/sdk';
import OpenAI, { APIError as OpenAiError } from 'openai';

/**
 * The consumer of HTTP APIs in test pods: unmodified clients, with what injection sets in their environment.
 *
 *   openai|anthropic chat NAME     ask → {"text"}
 *   openai|anthropic stream NAME   ask for events; ask again, whole, at the first one → {"parts"}
 *   openai|anthropic busy NAME     ask an API that is busy at first → {"text"}
 *   openai|anthropic outside NAME  list the models → {"status", "message"} of the error
 *   get TASK PATH                  → {"status", "text"}
 *   upload TASK BYTES              send a body → {"status", "text"}
 *   announce TASK BYTES            announce a body, and send none → {"status", "code"}
 *   download TASK                  read an answer → {"status", "bytes"}
 *
 * NAME is part of what is asked, so that the API knows who asks.
 */

const GATEWAY = { host: '127.0.0.1', port: 9473 };
const MODEL = 'e2e-model';

const readToken = (): string => readFileSync('/var/run/valetkey/token', 'utf8').trim();

type Sdk = {
  readonly ask: (text: string) => Promise<string | undefined>;
  readonly stream: (text: string) => AsyncIterable<string>;
  readonly listModels: () => Promise<unknown>;
};

const createOpenAi = (): Sdk => {
  const client = new OpenAI({ apiKey: readToken() });
  const buildMessages = (content: string) => [{ role: 'user' as const, content }];
  return {
    ask: async (text) => {
      const messages = buildMessages(text);
      const { choices } = await client.chat.completions.create({ model: MODEL, messages });
      return choices[0]?.message.content ?? undefined;
    },
    stream: async function* (text) {
      const messages = buildMessages(text);
      const options = { model: MODEL, messages, stream: true } as const;
      for await (const { choices } of await client.chat.completions.create(options)) {
        yield choices[0]?.delta.content ?? '';
      }
    },
    listModels: async () => client.models.list(),
  };
};

const createAnthropic = (): Sdk => {
  const client = new Anthropic({ apiKey: readToken() });
  const buildRequest = (content: string) => ({
    ...{ model: MODEL, max_tokens: 100 },
    messages: [{ role: 'user' as const, content }],
  });
  return {
    ask: async (text) => {
      const { content } = await client.messages.create(buildRequest(text));
      return content[0]?.type === 'text' ? content[0].text : undefined;
    },
    stream: async function* (text) {
      for await (const event of client.messages.stream(buildRequest(text))) {
        if (event.type === 'content_block_delta' && event.delta.type === 'text_delta') {
          yield event.delta.text;
        }
      }
    },
    listModels: async () => client.models.list(),
  };
};

const collectStream = async ({ ask, stream }: Sdk, name: string) => {
  const parts: string[] = [];
  for await (const part of stream(`${name} stream`)) {
    if (parts.length === 0) await ask(`${name} received`);
    parts.push(part);
  }
  return { parts };
};

const listOutside = async ({ listModels }: Sdk) => {
  try {
    await listModels();
    return { status: 200 };
  } catch (error) {
    if (!(error instanceof OpenAiError) && !(error instanceof AnthropicError)) throw error;
    return { status: error.status as unknown, message: error.message };
  }
};

const callModel = async (sdk: Sdk, command: string, name: string): Promise<unknown> => {
  if (command === 'stream') return collectStream(sdk, name);
  if (command === 'outside') return listOutside(sdk);
  return { text: await sdk.ask(`${name} ${command}`) };
};

const send = (
  { path, method = 'GET', bytes }: { path: string; method?: string; bytes?: number },
  body: Readable,
) => {
  const headers = {
    authorization: `Bearer ${readToken()}`,
    ...(bytes !== undefined && { 'content-length': String(bytes) }),
  };
  const sent = request({ ...GATEWAY, path, method, headers, agent: false });
  const answer = new Promise<Readable & { statusCode?: number }>((resolve, reject) =>
    sent.once('response', resolve).once('error', reject),
  );
  return Promise.all([answer, pipeline(body, sent)]).then(([response]) => response);
};

const get = async (task: string, path: string) => {
  const response = await send({ path: `/t/${task}${path}` }, Readable.from([]));
  return { status: response.statusCode, text: await readText(response) };
};

function* createBytes(bytes: number): Generator<Buffer> {
  const chunk = Buffer.alloc(64 * 1024, 'x');
  for (let left = bytes; left > 0; left -= chunk.length) yield chunk.subarray(0, left);
}

const upload = async (task: string, bytes: number) => {
  const body = Readable.from(createBytes(bytes), { objectMode: false });
  const response = await send({ path: `/t/${task}/v1/files`, method: 'POST', bytes }, body);
  return { status: response.statusCode, text: await readText(response) };
};

const announce = async (task: string, bytes: number) => {
  const headers = { authorization: `Bearer ${readToken()}`, 'content-length': String(bytes) };
  const options = { ...GATEWAY, path: `/t/${task}/v1/files`, method: 'POST', headers };
  const sent = request({ ...options, agent: false });
  sent.flushHeaders();
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  sent.destroy();
  return { status: response.statusCode, code: response.headers['x-valetkey-code'] };
};

const download = async (task: string) => {
  const response = await send({ path: `/t/${task}/v1/files` }, Readable.from([]));
  let bytes = 0;
  for await (const chunk of response) bytes += (chunk as Buffer).length;
  return { status: response.statusCode, bytes };
};

const [command = '', first = '', second = ''] = process.argv.slice(2);
const commands: Record<string, () => Promise<unknown>> = {
  openai: () => callModel(createOpenAi(), first, second),
  anthropic: () => callModel(createAnthropic(), first, second),
  get: () => get(first, second),
  upload: () => upload(first, Number(second)),
  announce: () => announce(first, Number(second)),
  download: () => download(first),
};
const run = commands[command];
if (run === undefined) throw new Error(`unknown command ${command}`);
console.log(JSON.stringify(await run()));
