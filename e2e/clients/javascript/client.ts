/**
 * A consumer that uses the unmodified AWS SDK for JavaScript v3, controlled by lines on standard input.
 * Its protocol: ../client-process.ts.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { pathToFileURL } from 'node:url';
import type * as S3 from '@aws-sdk/client-s3';

type S3Sdk = typeof S3;
type SdkClient = InstanceType<S3Sdk['S3Client']>;
type CallOutcome = { status: number | null; code: string | null; message: string | null };

const CALL_TIMEOUT_MS = 20_000;
/** `sdk`: the SDK's own limits are measured. */
const hasOwnLimits = process.env['CLIENT_LIMITS'] !== 'sdk';

const bundledSdk = import.meta.resolve('@aws-sdk/client-s3');
// Path of the entry file of another version of the SDK.
const entry = process.argv[2] === undefined ? bundledSdk : pathToFileURL(process.argv[2]).href;
const sdk = (await import(entry)) as S3Sdk;

let usedAccessKey: string | null = null;
/** Whether a body was sent in chunks (aws-chunked) during the operation. */
let isChunked = false;

function createClient(): SdkClient {
  const client = new sdk.S3Client({ forcePathStyle: true });
  client.middlewareStack.add(
    (next) => (args) => {
      const { headers } = args.request as { headers: Record<string, string> };
      usedAccessKey = /Credential=([^/]+)\//.exec(headers['authorization'] ?? '')?.[1] ?? null;
      isChunked ||= headers['x-amz-content-sha256']?.startsWith('STREAMING-') === true;
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
  const options = hasOwnLimits ? { abortSignal: AbortSignal.timeout(CALL_TIMEOUT_MS) } : {};
  if (op === 'get') {
    const output = await client.send(new sdk.GetObjectCommand(target), options);
    await output.Body?.transformToByteArray();
    return output.$metadata.httpStatusCode ?? 0;
  }
  const operate = operations[op];
  if (operate !== undefined) {
    await operate(client, target);
    return 200;
  }
  if (op !== 'put') throw new Error(`op: expected a known operation, got ${op}`);
  const body = { ...target, Body: 'written by a client\n' };
  const output = await client.send(new sdk.PutObjectCommand(body), options);
  return output.$metadata.httpStatusCode ?? 0;
}

type Target = { Bucket: string; Key: string };

const expectEqual = (got: unknown, expected: unknown): void => {
  if (JSON.stringify(got) === JSON.stringify(expected)) return;
  throw new Error(`expected ${JSON.stringify(expected)}, got ${JSON.stringify(got)}`);
};

const put = (client: SdkClient, target: Target, Body: string | Uint8Array, Tagging?: string) =>
  client.send(new sdk.PutObjectCommand({ ...target, Body, ...(Tagging && { Tagging }) }));

async function readText(client: SdkClient, target: Target, Range?: string): Promise<string> {
  const output = await client.send(
    new sdk.GetObjectCommand({ ...target, ...(Range && { Range }) }),
  );
  return (await output.Body?.transformToString()) ?? '';
}

/** Writes an object of random bytes as a stream, which the SDK sends in chunks, and expects to read the same. */
async function readBack(client: SdkClient, target: Target): Promise<void> {
  const [Key = '', size] = target.Key.split(' ');
  const written = randomBytes(Number(size));
  const Body = Readable.from([written]);
  const input = { ...target, Key, Body, ContentLength: written.length };
  await client.send(new sdk.PutObjectCommand(input));
  const output = await client.send(new sdk.GetObjectCommand({ ...target, Key }));
  const got = await output.Body?.transformToByteArray();
  if (got === undefined || !written.equals(got)) {
    throw new Error(
      `expected the ${written.length} bytes that were written, got ${got?.length ?? 0} others`,
    );
  }
}

const below = ({ Bucket, Key }: Target, name: string): Target => ({
  Bucket,
  Key: `${Key}/${name}`,
});

async function listKeys(client: SdkClient, { Bucket, Key }: Target): Promise<string[]> {
  const keys: string[] = [];
  const input = { Bucket, Prefix: `${Key}/`, MaxKeys: 2 };
  for await (const page of sdk.paginateListObjectsV2({ client }, input)) {
    keys.push(...(page.Contents ?? []).map((object) => object.Key ?? ''));
  }
  return keys;
}

/** Operations on keys below a prefix, each of which checks its own result. */
const operations: Record<string, (client: SdkClient, target: Target) => Promise<void>> = {
  roundtrip: readBack,
  multipart: async (client, prefix) => {
    const target = below(prefix, 'multipart');
    const { UploadId } = await client.send(new sdk.CreateMultipartUploadCommand(target));
    const bodies = [new Uint8Array(5 * 1024 * 1024).fill(97), new Uint8Array(17).fill(98)];
    const Parts = [];
    for (const [index, Body] of bodies.entries()) {
      const part = { ...target, UploadId, PartNumber: index + 1 };
      const { ETag } = await client.send(new sdk.UploadPartCommand({ ...part, Body }));
      Parts.push({ ETag, PartNumber: index + 1 });
    }
    const listed = await client.send(new sdk.ListPartsCommand({ ...target, UploadId }));
    expectEqual(listed.Parts?.length, 2);
    const complete = { ...target, UploadId, MultipartUpload: { Parts } };
    await client.send(new sdk.CompleteMultipartUploadCommand(complete));
    const { ContentLength } = await client.send(new sdk.HeadObjectCommand(target));
    expectEqual(ContentLength, 5 * 1024 * 1024 + 17);
  },
  range: async (client, prefix) => {
    const target = below(prefix, 'range');
    await put(client, target, '0123456789');
    expectEqual(await readText(client, target, 'bytes=2-5'), '2345');
  },
  list: async (client, prefix) => {
    const folder = below(prefix, 'list');
    const names = ['a', 'b c', 'd+ü'];
    for (const name of names) await put(client, below(folder, name), name);
    expectEqual(
      await listKeys(client, folder),
      names.map((name) => `${folder.Key}/${name}`),
    );
  },
  copy: async (client, prefix) => {
    const from = below(prefix, 'copy from');
    await put(client, from, 'copied');
    const to = below(prefix, 'copy-to');
    const CopySource = encodeURI(`${from.Bucket}/${from.Key}`);
    await client.send(new sdk.CopyObjectCommand({ ...to, CopySource }));
    expectEqual(await readText(client, to), 'copied');
  },
  delete: async (client, prefix) => {
    const folder = below(prefix, 'delete');
    const targets = ['a&b', 'c'].map((name) => below(folder, name));
    for (const target of targets) await put(client, target, 'x');
    const Objects = targets.map(({ Key }) => ({ Key }));
    const input = { Bucket: folder.Bucket, Delete: { Objects } };
    const { Errors = [] } = await client.send(new sdk.DeleteObjectsCommand(input));
    expectEqual(Errors, []);
    expectEqual(await listKeys(client, folder), []);
  },
  tag: async (client, prefix) => {
    const target = below(prefix, 'tag');
    await put(client, target, 'x', 'kind=first');
    const readTags = async () =>
      (await client.send(new sdk.GetObjectTaggingCommand(target))).TagSet?.map(
        ({ Value }) => Value,
      );
    expectEqual(await readTags(), ['first']);
    const Tagging = { TagSet: [{ Key: 'kind', Value: 'second' }] };
    await client.send(new sdk.PutObjectTaggingCommand({ ...target, Tagging }));
    expectEqual(await readTags(), ['second']);
  },
};

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
  const [op = '', ...words] = line.split(' ');
  const key = words.join(' ');
  usedAccessKey = null;
  isChunked = false;
  const startedAt = performance.now();
  const outcome = await performOperation(client, op, key);
  const ms = Math.round(performance.now() - startedAt);
  writeLine({ op, key, ...outcome, accessKeyId: usedAccessKey, isChunked, ms });
}
process.exit();
