/**
 * A consumer that uses the unmodified AWS SDK for JavaScript v3, controlled by lines on standard input.
 * Its protocol: ../client-process.ts.
 */
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import type * as S3 from '@aws-sdk/client-s3';

type S3Sdk = typeof S3;
type SdkClient = InstanceType<S3Sdk['S3Client']>;
type CallOutcome = { status: number | null; code: string | null; message: string | null };

const CALL_TIMEOUT_MS = 20_000;

const bundledSdk = import.meta.resolve('@aws-sdk/client-s3');
// Path of the entry file of another version of the SDK.
const entry = process.argv[2] === undefined ? bundledSdk : pathToFileURL(process.argv[2]).href;
const sdk = (await import(entry)) as S3Sdk;

let usedAccessKey: string | null = null;

function createClient(): SdkClient {
  const client = new sdk.S3Client({ forcePathStyle: true });
  client.middlewareStack.add(
    (next) => (args) => {
      const { headers } = args.request as { headers: Record<string, string> };
      usedAccessKey = /Credential=([^/]+)\//.exec(headers['authorization'] ?? '')?.[1] ?? null;
      return next(args);
    },
    // Runs after every signing step, in old and new versions of the SDK.
    { name: 'noteAccessKey', step: 'deserialize', priority: 'high' },
  );
  return client;
}

async function callCloud(client: SdkClient, op: string, path: string): Promise<number> {
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

function toFailure(error: unknown): CallOutcome {
  const { name, message, $metadata } = error as Error & { $metadata?: { httpStatusCode?: number } };
  return { status: $metadata?.httpStatusCode ?? null, code: name, message };
}

async function performOperation(client: SdkClient, op: string, path: string): Promise<CallOutcome> {
  try {
    return { status: await callCloud(client, op, path), code: null, message: null };
  } catch (error) {
    return toFailure(error);
  }
}

const writeLine = (answer: object): boolean => process.stdout.write(`${JSON.stringify(answer)}\n`);

function readSdkVersion(): string {
  // <package>/dist-cjs/index.js or <package>/dist-es/index.js
  const manifest = new URL('../package.json', entry);
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version;
}

const client = createClient();
writeLine({
  op: 'start',
  sdk: 'javascript',
  version: readSdkVersion(),
  runtime: `Node ${process.version}`,
});
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'quit') break;
  const [op = '', key = ''] = line.split(' ', 2);
  usedAccessKey = null;
  const startedAt = performance.now();
  const outcome = await performOperation(client, op, key);
  const ms = Math.round(performance.now() - startedAt);
  writeLine({ op, key, ...outcome, accessKeyId: usedAccessKey, ms });
}
process.exit();
