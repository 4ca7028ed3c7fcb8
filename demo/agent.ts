// A consumer: an ordinary program that uses the AWS SDK, the OpenAI SDK and the MCP SDK, and knows nothing of
// Valetkey except its environment and the sidecar's routes for runs. Each argument is a step, and each step prints
// one line of JSON.
import { Readable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import OpenAI, { APIError } from 'openai';
import {
  createClient,
  createClientWith,
  getObject,
  parseObjectRef,
  putObject,
  readToken,
  reportOutcome,
  requestSidecar,
  toConnectionReport,
  toRefusalReport,
  type Keys,
  type Report,
  type StepReport,
} from './agent-calls.ts';
import { RUN_STEPS, type Step } from './agent-runs.ts';

const REFUSAL_TIMEOUT_MS = 30_000;

const client = createClient();

const readObject = (place: string): Promise<Report> => reportOutcome(getObject(client, place));

/** The gateway's keys, and temporary keys of AWS. */
const KEY_PREFIX = /^(VALETKEY|ASIA)/;

const loadCredentials = async (): Promise<Report> => {
  const { accessKeyId } = await client.config.credentials();
  return { status: 200, keyPrefix: KEY_PREFIX.exec(accessKeyId)?.[0] ?? '' };
};

const writeObject = (place: string): Promise<Report> => putObject(client, place);

/** Sends the same request with the same keys to the cloud itself. */
const bypassGateway = async (place: string): Promise<Report> => {
  const credentials = await client.config.credentials();
  const direct = createClient({ credentials, endpoint: process.env['CLOUD_ENDPOINT'] ?? '' });
  return reportOutcome(getObject(direct, place));
};

/** Requests credentials of another task. */
const requestTask = async (name: string): Promise<Report> =>
  toRefusalReport(await requestSidecar('GET', `/v1/tasks/${name}/credentials`));

/** Asks the model API at the base URL of the environment. */
const askModel = async (path: string): Promise<Report> => {
  const model = new OpenAI({ apiKey: readToken(), maxRetries: 0 });
  try {
    const body = { model: 'demo', messages: [{ role: 'user', content: 'Sum up q3.' }] };
    await model.post(path, { body });
    return { status: 200 };
  } catch (error) {
    if (!(error instanceof APIError)) throw error;
    return { status: Number(error.status ?? 0), message: error.message };
  }
};

/** Starts a run for one tool, calls it or another one, and ends the run. */
const callTool = async (tool: string, called = tool): Promise<Report> => {
  const answer = await requestSidecar('POST', '/v1/tasks/tool/runs', { params: { name: tool } });
  if (answer.status !== 201) return toRefusalReport(answer);
  const { run, baseUrl } = answer.body as { readonly run: string; readonly baseUrl: string };
  const client = new Client({ name: 'demo', version: '1' });
  const requestInit = { headers: { authorization: `Bearer ${readToken()}` } };
  await client.connect(new StreamableHTTPClientTransport(new URL(baseUrl), { requestInit }));
  const result = await client.callTool({ name: called, arguments: { message: 'hello' } });
  await client.close();
  await requestSidecar('DELETE', `/v1/runs/${run}`);
  const [{ text: message = '' } = {}] = result.content as readonly { readonly text?: string }[];
  return { status: result.isError === true ? 403 : 200, message };
};

/** Keeps the current keys and writes with them until the cloud refuses them. */
const useUntilRefused = async (place: string): Promise<Report> => {
  const kept = await client.config.credentials();
  const expiresAt = kept.expiration?.getTime() ?? 0;
  const keeper = createClient({ credentials: { ...kept } });
  for (;;) {
    const outcome = await putObject(keeper, place);
    const now = Date.now();
    if (outcome.status !== 200) return { ...outcome, expiresAt, refusedAt: now };
    if (now > expiresAt + REFUSAL_TIMEOUT_MS) return { ...outcome, expiresAt };
    await pause(200);
  }
};

const UPLOAD_PARTS = 1_200;
const UPLOAD_PART = Buffer.alloc(4 * 1024, 'summary\n');

const readSlowly = async function* (): AsyncGenerator<Buffer> {
  for (let part = 0; part < UPLOAD_PARTS; part += 1) {
    yield UPLOAD_PART;
    await pause(100);
  }
};

/** Uploads for two minutes, as the task `publish`, unless the connection ends. */
const uploadSlowly = async (place: string): Promise<Report> => {
  const answer = await requestSidecar('GET', '/v1/tasks/publish/credentials');
  if (answer.status !== 200) return toRefusalReport(answer);
  const uploader = createClientWith(answer.body as unknown as Keys);
  const body = Readable.from(readSlowly(), { objectMode: false });
  const ContentLength = UPLOAD_PARTS * UPLOAD_PART.length;
  const upload = new PutObjectCommand({ ...parseObjectRef(place), Body: body, ContentLength });
  const outcome = await reportOutcome(uploader.send(upload)).catch(toConnectionReport);
  const refusedAt = Date.now();
  body.destroy();
  return { ...outcome, refusedAt };
};

const steps = new Map<string, Step>([
  ...RUN_STEPS,
  ['start', loadCredentials],
  ['read', readObject],
  ['write', writeObject],
  ['bypass', bypassGateway],
  ['task', requestTask],
  ['model', askModel],
  ['tool', callTool],
  ['outlive', useUntilRefused],
  ['upload', uploadSlowly],
]);

for (const step of process.argv.slice(2)) {
  const [verb = '', argument = '', other] = step.split(' ');
  const take = steps.get(verb);
  if (take === undefined) throw new Error(`expected a step of ${[...steps.keys()].join(', ')}`);
  const startedAt = performance.now();
  const report = await take(argument, other);
  const milliseconds = Math.round(performance.now() - startedAt);
  console.log(JSON.stringify({ step, ...report, milliseconds } satisfies StepReport));
}
