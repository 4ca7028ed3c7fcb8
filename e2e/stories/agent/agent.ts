import { request } from 'node:http';
import { json } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import {
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';

/**
 * What runs as a consumer in story pods: an unmodified AWS SDK, and a client of the sidecar's socket.
 *
 *   hold                       do nothing until told to stop
 *   work SECONDS BUCKET KEY    read the object until it answers, then end (for Jobs)
 *   get|put|list BUCKET KEY [-]  one call of S3 → {"status", "code"?}; -: environment from standard input
 *   call METHOD PATH [BODY]    one call of the sidecar over its socket → {"status", "headers", "body"}
 */
const operations = {
  get: (s3: S3Client, Bucket: string, Key: string) =>
    s3.send(new GetObjectCommand({ Bucket, Key })),
  put: (s3: S3Client, Bucket: string, Key: string) =>
    s3.send(new PutObjectCommand({ Bucket, Key, Body: 'written by the agent' })),
  list: (s3: S3Client, Bucket: string, Prefix: string) =>
    s3.send(new ListObjectsV2Command({ Bucket, Prefix })),
};

type SdkError = Error & { $metadata?: { httpStatusCode?: number } };

const askCloud = async (operation: keyof typeof operations, bucket: string, key: string) => {
  const s3 = new S3Client({ forcePathStyle: true, maxAttempts: 1 });
  try {
    const { $metadata } = await operations[operation](s3, bucket, key);
    return { status: $metadata.httpStatusCode ?? 0 };
  } catch (error) {
    const { name, message, $metadata } = error as SdkError;
    return { status: $metadata?.httpStatusCode ?? 0, code: name, message };
  } finally {
    s3.destroy();
  }
};

const askSidecar = (method: string, path: string, body?: string) => {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
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
      });
    });
  });
  call.end(body);
  return promise;
};

const work = async (seconds: number, bucket: string, key: string) => {
  const deadline = performance.now() + seconds * 1000;
  for (;;) {
    const answer = await askCloud('get', bucket, key);
    if (answer.status === 200 || performance.now() > deadline) return answer;
    await pause(200);
  }
};

const hold = () => {
  const { promise, resolve } = Promise.withResolvers<unknown>();
  const keepAlive = setInterval(() => undefined, 1 << 30);
  process.on('SIGTERM', () => {
    clearInterval(keepAlive);
    resolve(undefined);
  });
  return promise;
};

const [command = '', first = '', second = '', third] = process.argv.slice(2);
const perform = (): Promise<unknown> => {
  switch (command) {
    case 'hold':
      return hold();
    case 'work':
      return work(Number(first), second, third ?? '');
    case 'call':
      return askSidecar(first, second, third);
    case 'get':
    case 'put':
    case 'list':
      return askCloud(command, first, second);
    default:
      throw new Error(`unknown command ${command}`);
  }
};

if (third === '-') Object.assign(process.env, await json(process.stdin));
const answer = await perform();
if (answer !== undefined) console.log(JSON.stringify(answer));
if (command === 'work') process.exitCode = (answer as { status: number }).status === 200 ? 0 : 1;
