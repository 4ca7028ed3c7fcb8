import { createHash } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { request } from 'node:http';
import { Readable } from 'node:stream';
import { json, text } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import type { S3Client, S3ClientConfig } from '@aws-sdk/client-s3';
import { sendBatch } from './https-requests.ts';
import type { HttpsBatch } from './https-requests.ts';

/**
 * The consumer in test pods: an unmodified AWS SDK and a client of the sidecar's socket.
 *
 *   hold                       wait for SIGTERM
 *   work SECONDS BUCKET KEY    read the object until the cloud returns 200, then exit (for Jobs)
 *   get|put|list BUCKET KEY [-]  call S3 once → {"status", "code"?}; -: environment from standard input
 *   call METHOD PATH [-]       call the sidecar over its socket → {"status", "headers", "body"}; -: request body from
 *                              standard input
 *   transfer MIB BUCKET KEY    upload a stream of MIB MiB and read it again → {"status", "isEqual", seconds of each}
 *   trickle MIB BUCKET KEY     the same, at 10 chunks of 64 KiB a second at most
 *   send                       send HTTPS requests from the pod's address: batch from standard input → responses
 *   watch BUCKET KEY           get credentials → when the sidecar, and when the cloud, first refuses
 *   ask-on                     request credentials from the sidecar repeatedly → each change of the response
 *   read-on BUCKET KEY         read the object repeatedly with one client → each change, and each 20th response
 *   stream TASK BUCKET KEY     start, use and complete runs repeatedly → each run
 *   upload BUCKET KEY [-]      upload a gigabyte slowly → that it has begun, and what ended it; -: environment from
 *                              standard input, and lines on the standard output of the container
 *
 * The last five print one line of JSON for each result, with the time in epoch milliseconds.
 */

/** Loaded on demand, because the pods of a large group do not need it. */
const loadSdk = () => import('@aws-sdk/client-s3');

const operations = {
  get: async (s3: S3Client, Bucket: string, Key: string) =>
    s3.send(new (await loadSdk()).GetObjectCommand({ Bucket, Key })),
  put: async (s3: S3Client, Bucket: string, Key: string) =>
    s3.send(
      new (await loadSdk()).PutObjectCommand({
        ...{ Bucket, Key },
        Body: process.env['PUT_BODY'] ?? 'written by the agent',
      }),
    ),
  list: async (s3: S3Client, Bucket: string, Prefix: string) =>
    s3.send(new (await loadSdk()).ListObjectsV2Command({ Bucket, Prefix })),
};

type CloudSdkError = Error & { $metadata?: { httpStatusCode?: number } };

type CloudCall = { operation: keyof typeof operations; bucket: string; key: string };

const callCloud = async (
  { operation, bucket, key }: CloudCall,
  settings: S3ClientConfig = {},
): Promise<{ status: number; code?: string; message?: string }> => {
  const { S3Client: Client } = await loadSdk();
  const s3 = new Client({ forcePathStyle: true, maxAttempts: 1, ...settings });
  try {
    const { $metadata } = await operations[operation](s3, bucket, key);
    return { status: $metadata.httpStatusCode ?? 0 };
  } catch (error) {
    const { name, message, $metadata } = error as CloudSdkError;
    return { status: $metadata?.httpStatusCode ?? 0, code: name, message };
  } finally {
    s3.destroy();
  }
};

type Keys = { AccessKeyId: string; SecretAccessKey: string; Token: string };
type SidecarResponse = {
  status: number;
  headers: Record<string, string>;
  body: Keys & { Code?: string; run?: string; credentials?: Keys };
};

const callSidecar = (method: string, path: string, body?: string): Promise<SidecarResponse> => {
  const { promise, resolve, reject } = Promise.withResolvers<SidecarResponse>();
  const headers = body === undefined ? {} : { 'content-type': 'application/json' };
  const call = request({ socketPath: process.env['VALETKEY_SOCKET'], method, path, headers });
  call.on('error', reject);
  call.on('response', (response) => {
    const chunks: Buffer[] = [];
    response.on('data', (chunk: Buffer) => chunks.push(chunk));
    response.on('end', () => {
      const text = Buffer.concat(chunks).toString();
      resolve({
        status: response.statusCode,
        headers: response.headers,
        body: text === '' ? undefined : (JSON.parse(text) as unknown),
      } as SidecarResponse);
    });
  });
  call.end(body);
  return promise;
};

const readUntilServed = async (seconds: number, bucket: string, key: string) => {
  const deadline = performance.now() + seconds * 1000;
  for (;;) {
    const answer = await callCloud({ operation: 'get', bucket, key });
    if (answer.status === 200 || performance.now() > deadline) return answer;
    await pause(200);
  }
};

const printLine = (line: object) => {
  const text = JSON.stringify({ at: Date.now(), ...line });
  if (third === '-') appendFileSync('/proc/1/fd/1', `${text}\n`);
  else console.log(text);
};

const toClientConfig = ({ AccessKeyId, SecretAccessKey, Token }: Keys): S3ClientConfig => ({
  credentials: {
    accessKeyId: AccessKeyId,
    secretAccessKey: SecretAccessKey,
    sessionToken: Token,
  },
});

/** Repeats a call until its status is not 200, and prints when. */
const reportRefusal = async (by: string, ask: () => Promise<{ status: number; code?: string }>) => {
  for (;;) {
    const askedAt = Date.now();
    const { status, code } = await ask();
    if (status !== 200) {
      printLine({ refusedBy: by, askedAt, status, code });
      return;
    }
    await pause(10);
  }
};

const watchCredentials = async (bucket: string, key: string) => {
  let first = await callSidecar('GET', '/v1/credentials');
  // On a busy node the first exchange may take longer than the sidecar's response timeout.
  while (first.status === 503) {
    await pause(200);
    first = await callSidecar('GET', '/v1/credentials');
  }
  const keys = toClientConfig(first.body);
  printLine({ holds: (await callCloud({ operation: 'get', bucket, key }, keys)).status });
  await Promise.all([
    reportRefusal('cloud', () => callCloud({ operation: 'get', bucket, key }, keys)),
    reportRefusal('sidecar', async () => {
      const answer = await callSidecar('GET', '/v1/credentials');
      return { status: answer.status, code: answer.body.Code ?? '' };
    }),
  ]);
  return waitForSigterm();
};

const pollCredentials = async () => {
  exitOnSigterm();
  let last = '';
  for (;;) {
    const askedAt = Date.now();
    // A sidecar on a crowded node may close a connection that it could not serve in time.
    const answer = await callSidecar('GET', '/v1/credentials').then(
      ({ status, body }) => `${status} ${body.Code ?? ''}`.trim(),
      (error: unknown) => String(error),
    );
    if (answer !== last) printLine({ askedAt, answer });
    last = answer;
    await pause(250);
  }
};

/** Each run makes two requests to the authority, and the rate limit of a pod is two per second. */
const STREAM_PAUSE_MS = 1_100;

const streamRuns = async (task: string, bucket: string, key: string) => {
  exitOnSigterm();
  for (;;) {
    printLine(await runOnce(task, { operation: 'get', bucket, key }));
    await pause(STREAM_PAUSE_MS);
  }
};

const READ_PAUSE_MS = 100;
const READS_PER_LINE = 20;

/** An application's loop: one client, with its own retries, whatever happens to the sidecar. */
const readRepeatedly = async (Bucket: string, Key: string) => {
  exitOnSigterm();
  const { S3Client: Client, GetObjectCommand } = await loadSdk();
  const s3 = new Client({ forcePathStyle: true });
  let last = '';
  for (let reads = 1; ; reads += 1) {
    const askedAt = Date.now();
    const answer = await s3.send(new GetObjectCommand({ Bucket, Key })).then(
      async ({ Body, $metadata }) => {
        await Body?.transformToByteArray();
        return String($metadata.httpStatusCode);
      },
      (error: unknown) => {
        const { name, message, $metadata } = error as CloudSdkError;
        return `${$metadata?.httpStatusCode ?? 'none'} ${name}: ${message}`;
      },
    );
    if (answer !== last || reads % READS_PER_LINE === 0) printLine({ askedAt, answer, reads });
    last = answer;
    await pause(READ_PAUSE_MS);
  }
};

const runOnce = async (task: string, call: CloudCall) => {
  const { status, headers, body } = await callSidecar('POST', `/v1/tasks/${task}/runs`, '{}');
  const { run, credentials } = body;
  if (status !== 201 || run === undefined || credentials === undefined)
    return { status, code: body.Code, retryAfter: headers['retry-after'] };
  const cloud = await callCloud(call, toClientConfig(credentials));
  const ended = await callSidecar('DELETE', `/v1/runs/${run}`);
  return { status, run, cloud: cloud.status, ended: ended.status };
};

const MEBIBYTE = 1024 * 1024;
const CHUNK = MEBIBYTE / 16;

/** A body of one repeated chunk, which takes no memory; `sent` is called before each chunk. */
const createBody = (chunks: number, sent: (chunk: Buffer) => unknown): Readable => {
  const chunk = Buffer.alloc(CHUNK, 'a body of the agent\n');
  return Readable.from(
    (async function* () {
      for (let index = 0; index < chunks; index += 1) {
        await sent(chunk);
        yield chunk;
      }
    })(),
  );
};

type Transfer = {
  mebibytes: number;
  Bucket: string;
  Key: string;
  /** Pause for each 64 KiB. */
  pauseMs?: number;
};

const transferObject = async ({ mebibytes, Bucket, Key, pauseMs = 0 }: Transfer) => {
  const { S3Client: Client, GetObjectCommand, PutObjectCommand } = await loadSdk();
  const s3 = new Client({ forcePathStyle: true });
  const [sent, received] = [createHash('sha256'), createHash('sha256')];
  const pace = (bytes: number) => (pauseMs === 0 ? undefined : pause(pauseMs * (bytes / CHUNK)));
  const Body = createBody((mebibytes * MEBIBYTE) / CHUNK, (chunk) => {
    sent.update(chunk);
    return pace(chunk.length);
  });
  const startedAt = performance.now();
  const ContentLength = mebibytes * MEBIBYTE;
  const { $metadata } = await s3.send(new PutObjectCommand({ Bucket, Key, Body, ContentLength }));
  const sentAt = performance.now();
  const got = await s3.send(new GetObjectCommand({ Bucket, Key }));
  for await (const chunk of got.Body as AsyncIterable<Buffer>) {
    received.update(chunk);
    await pace(chunk.length);
  }
  s3.destroy();
  return {
    status: $metadata.httpStatusCode ?? 0,
    isEqual: sent.digest('hex') === received.digest('hex'),
    sentSeconds: (sentAt - startedAt) / 1000,
    receivedSeconds: (performance.now() - sentAt) / 1000,
  };
};

/** A gigabyte takes some minutes. A cloud refuses a size for which it has no space. */
const UPLOAD_PAUSE_MS = 10;
const UPLOAD_BYTES = 1024 ** 3;

/** The body is sent slowly, so that the upload is in flight whenever its run ends. */
const uploadUntilCut = async (Bucket: string, Key: string) => {
  const { S3Client: Client, PutObjectCommand } = await loadSdk();
  const s3 = new Client({ forcePathStyle: true, maxAttempts: 1 });
  let chunks = 0;
  const Body = createBody(Infinity, () => {
    chunks += 1;
    if (chunks === 64) printLine({ hasBegun: true });
    return pause(UPLOAD_PAUSE_MS);
  });
  const ContentLength = UPLOAD_BYTES;
  try {
    await s3.send(new PutObjectCommand({ Bucket, Key, Body, ContentLength }));
    printLine({ cut: 'never' });
  } catch (error) {
    const { name, message } = error as Error;
    printLine({ cut: name, message });
  }
  return third === '-' ? undefined : waitForSigterm();
};

/** SIGTERM does not end the first process of a container unless it has a handler. */
const exitOnSigterm = () => process.once('SIGTERM', () => process.exit());

const waitForSigterm = () => {
  const { promise, resolve } = Promise.withResolvers<unknown>();
  const keepAlive = setInterval(() => undefined, 1 << 30);
  process.on('SIGTERM', () => {
    clearInterval(keepAlive);
    resolve(undefined);
  });
  return promise;
};

const [command = '', first = '', second = '', third] = process.argv.slice(2);
const runCommand = async (): Promise<unknown> => {
  switch (command) {
    case 'hold':
      return waitForSigterm();
    case 'work':
      return readUntilServed(Number(first), second, third ?? '');
    case 'send':
      return json(process.stdin).then((batch) => sendBatch(batch as HttpsBatch));
    case 'call':
      return callSidecar(first, second, third === '-' ? await text(process.stdin) : undefined);
    case 'get':
    case 'put':
    case 'list':
      return callCloud({ operation: command, bucket: first, key: second });
    case 'watch':
      return watchCredentials(first, second);
    case 'ask-on':
      return pollCredentials();
    case 'transfer':
      return transferObject({ mebibytes: Number(first), Bucket: second, Key: third ?? '' });
    case 'trickle':
      return transferObject({
        ...{ mebibytes: Number(first), Bucket: second, Key: third ?? '' },
        pauseMs: 100,
      });
    case 'upload':
      return uploadUntilCut(first, second);
    case 'read-on':
      return readRepeatedly(first, second);
    case 'stream':
      return streamRuns(first, second, third ?? '');
    default:
      throw new Error(`unknown command ${command}`);
  }
};

if (third === '-' && command !== 'call') Object.assign(process.env, await json(process.stdin));
const answer = await runCommand();
if (answer !== undefined) console.log(JSON.stringify(answer));
if (command === 'work') process.exitCode = (answer as { status: number }).status === 200 ? 0 : 1;
