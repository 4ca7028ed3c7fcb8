/**
 * A consumer that uses the AWS SDK for JavaScript v3 as it comes, driven by lines on stdin. The
 * protocol is that of ../client.ts.
 */
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import type * as S3 from '@aws-sdk/client-s3';

type Sdk = typeof S3;
type Client = InstanceType<Sdk['S3Client']>;
type Outcome = { status: number | null; code: string | null; message: string | null };

const CALL_TIMEOUT_MS = 20_000;

const own = import.meta.resolve('@aws-sdk/client-s3');
// Another edition of the SDK, installed elsewhere: the path of its entry file.
const entry = process.argv[2] === undefined ? own : pathToFileURL(process.argv[2]).href;
const sdk = (await import(entry)) as Sdk;

let usedAccessKey: string | null = null;

function newClient(): Client {
  const client = new sdk.S3Client({ forcePathStyle: true });
  client.middlewareStack.add(
    (next) => (args) => {
      const { headers } = args.request as { headers: Record<string, string> };
      usedAccessKey = /Credential=([^/]+)\//.exec(headers['authorization'] ?? '')?.[1] ?? null;
      return next(args);
    },
    // Behind every step that signs, in old editions of the SDK as in new ones.
    { name: 'noteAccessKey', step: 'deserialize', priority: 'high' },
  );
  return client;
}

async function call(client: Client, op: string, path: string): Promise<number> {
  const slash = path.indexOf('/');
  const target = { Bucket: path.slice(0, slash), Key: path.slice(slash + 1) };
  const options = { abortSignal: AbortSignal.timeout(CALL_TIMEOUT_MS) };
  if (op === 'get') {
    const output = await client.send(new sdk.GetObjectCommand(target), options);
    await output.Body?.transformToByteArray();
    return output.$metadata.httpStatusCode ?? 0;
  }
  if (op !== 'put') throw new Error(`op: expected get or put, got ${op}`);
  const body = { ...target, Body: 'written by a client\n' };
  const output = await client.send(new sdk.PutObjectCommand(body), options);
  return output.$metadata.httpStatusCode ?? 0;
}

function failure(error: unknown): Outcome {
  const { name, message, $metadata } = error as Error & { $metadata?: { httpStatusCode?: number } };
  return { status: $metadata?.httpStatusCode ?? null, code: name, message };
}

async function perform(client: Client, op: string, path: string): Promise<Outcome> {
  try {
    return { status: await call(client, op, path), code: null, message: null };
  } catch (error) {
    return failure(error);
  }
}

const write = (answer: object): boolean => process.stdout.write(`${JSON.stringify(answer)}\n`);

function version(): string {
  // <package>/dist-cjs/index.js or <package>/dist-es/index.js
  const manifest = new URL('../package.json', entry);
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version;
}

const client = newClient();
write({ op: 'start', sdk: 'javascript', version: version(), runtime: `Node ${process.version}` });
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'quit') break;
  const [op = '', key = ''] = line.split(' ', 2);
  usedAccessKey = null;
  const startedAt = performance.now();
  const outcome = await perform(client, op, key);
  const ms = Math.round(performance.now() - startedAt);
  write({ op, key, ...outcome, accessKeyId: usedAccessKey, ms });
}
process.exit();
