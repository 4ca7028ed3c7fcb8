import { readFileSync } from 'node:fs';
import OpenAI, { APIError } from 'openai';
import pg from 'pg';
import { useMcpServer } from './mcp-clients.ts';

/**
 * The consumer of Upstreams in test pods: unmodified clients, with what injection sets in their environment.
 *
 *   hold             wait for SIGTERM
 *   chat             ask a model → {"text"}
 *   stream           ask a model for a stream of events → {"parts"}
 *   environment      ask a model, with the environment alone → {"text"}, or {"status", "message"} of the error
 *   key TASK KEY     the same with this key, at the base URL of the task
 *   ask TASK MODEL   ask this model at the base URL of the task → {"text"}, or the error's members
 *   models           list the models → {"status", "message"} of the error
 *   mcp TASK MODE PLAN  list the tools of the MCP server, and call those of a plan → {"names", "calls"}
 *   query DATABASE   ask a database who the user is → {"user"}, or {"code", "message"} of the error
 *   session DATABASE keep a session → a line when it begins, and one when it ends
 */

const GATEWAY = 'http://127.0.0.1:9473';
const MODEL = 'e2e-model';

const readToken = (): string => readFileSync('/var/run/valetkey/token', 'utf8').trim();

const messages = [{ role: 'user' as const, content: 'Say something.' }];

const createModelClient = () => new OpenAI({ apiKey: readToken() });

const chat = async () => {
  const { choices } = await createModelClient().chat.completions.create({ model: MODEL, messages });
  return { text: choices[0]?.message.content };
};

const askModel = async (client: OpenAI, model = MODEL) => {
  try {
    const { choices } = await client.chat.completions.create({ model, messages });
    return { text: choices[0]?.message.content };
  } catch (error) {
    if (!(error instanceof APIError)) throw error;
    const { code, type, message } = error;
    return { status: error.status as unknown, code, type, message };
  }
};

const streamChat = async () => {
  const client = createModelClient();
  const events = await client.chat.completions.create({ model: MODEL, messages, stream: true });
  const parts: string[] = [];
  for await (const { choices } of events) parts.push(choices[0]?.delta.content ?? '');
  return { parts };
};

const listModels = async () => {
  try {
    await createModelClient().models.list();
    return { status: 200 };
  } catch (error) {
    if (!(error instanceof APIError)) throw error;
    return { status: error.status as unknown, message: error.message };
  }
};

const queryUser = async (database: string) => {
  const client = new pg.Client({ database });
  try {
    await client.connect();
    const { rows } = await client.query<{ user: string }>('SELECT current_user AS user');
    return rows[0];
  } catch (error) {
    const { code, message } = error as pg.DatabaseError;
    return { code, message };
  } finally {
    await client.end();
  }
};

const printLine = (line: object): void => {
  console.log(JSON.stringify({ at: Date.now(), ...line }));
};

const keepSession = async (database: string) => {
  const client = new pg.Client({ database });
  client.on('error', (error) => printLine({ failed: error.message }));
  client.on('end', () => printLine({ ended: true }));
  await client.connect();
  const { rows } = await client.query<{ user: string }>('SELECT current_user AS user');
  printLine({ session: rows[0]?.user });
  return waitForSigterm();
};

const waitForSigterm = () => {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const keepAlive = setInterval(() => undefined, 1 << 30);
  process.on('SIGTERM', () => {
    clearInterval(keepAlive);
    resolve(undefined);
    process.exit();
  });
  return promise;
};

const [command = '', first = '', second = '', third = ''] = process.argv.slice(2);
const commands: Record<string, () => Promise<unknown>> = {
  hold: waitForSigterm,
  chat,
  stream: streamChat,
  environment: () => askModel(new OpenAI()),
  key: () => askModel(new OpenAI({ apiKey: second, baseURL: `${GATEWAY}/t/${first}/v1` })),
  ask: () =>
    askModel(new OpenAI({ apiKey: readToken(), baseURL: `${GATEWAY}/t/${first}/v1` }), second),
  models: listModels,
  mcp: () =>
    useMcpServer(`${GATEWAY}/t/${first}`, { token: readToken(), mode: second, plan: third }),
  query: () => queryUser(first),
  session: () => keepSession(first),
};
const run = commands[command];
if (run === undefined) throw new Error(`unknown command ${command}`);
const answer = await run();
if (answer !== undefined) console.log(JSON.stringify(answer));
