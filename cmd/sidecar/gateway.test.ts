import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import {
  CopyObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { afterEach, describe, expect, it } from '@jest/globals';
import { createUpstreamClient } from '../../lib/edge/http/upstream-client.ts';
import { createOriginFinder } from '../../lib/calls/cloud-origins.ts';
import type { OperationTable } from '../../lib/operations/table.ts';
import { createRecognizer } from '../../lib/operations/recognize.ts';
import { createLocalKeys } from '../../lib/runs/local-keys.ts';
import { parseAuthorization } from '../../lib/signing/authorization.ts';
import { createChunkDecoder } from '../../lib/signing/chunks.ts';
import { signRequest } from '../../lib/signing/sign.ts';
import { createTextSigner, type AwsKeys } from '../../lib/signing/signing-keys.ts';
import { verifyRequest } from '../../lib/signing/verify.ts';
import { parseRequestTarget } from '../../lib/schema/request-target.ts';
import { createBodyBuffers } from '../../lib/calls/body-buffers.ts';
import type { EndedCall } from '../../lib/calls/ended-call.ts';
import { createCallHandler, type CallHandlerDeps } from '../../lib/edge/gateway/call-handler.ts';
import { clock, schedule } from './system-clock.ts';

// Here and not beside the handler, because the test joins two edges, as only a program may.

/** Of the cloud: no client may see them. */
const cloudKeys: AwsKeys = {
  accessKeyId: 'ASIACLOUDKEY12345678',
  secretAccessKey: 'cloud-secret',
  sessionToken: 'cloud-token',
};
const owner = { consumer: 'agent', task: 'summarize' };
const signText = createTextSigner();
const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const listen = async (server: Server): Promise<number> => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as AddressInfo).port;
};

/** What the cloud received, whole. */
type CloudRequest = {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
  readonly isSigned: boolean;
};

const isSignedByCloudKeys = ({ method = '', url = '', headers }: IncomingMessage): boolean => {
  const target = parseRequestTarget(url);
  const authorization = parseAuthorization(headers.authorization ?? '');
  if (!target.ok || !authorization.ok) return false;
  const entries = Object.entries(headers).map(([name, value]) => [name, String(value)] as const);
  const fault = verifyRequest(
    {
      request: { method, target: target.target, headers: new Map(entries) },
      authorization: authorization.authorization,
      keys: cloudKeys,
      payloadHash: String(headers['x-amz-content-sha256']),
      nowMs: Date.now(),
    },
    signText,
  );
  return fault === undefined;
};

const readAll = async (source: AsyncIterable<unknown>): Promise<Buffer> => {
  const parts: Buffer[] = [];
  for await (const part of source) parts.push(part as Buffer);
  return Buffer.concat(parts);
};

type Cloud = { readonly origin: string; readonly requests: CloudRequest[] };

/** A cloud that records requests and answers with their bodies. */
const startCloud = async (
  respond: (request: CloudRequest) => {
    status?: number;
    headers?: object;
    body?: string;
  } = () => ({}),
): Promise<Cloud> => {
  const requests: CloudRequest[] = [];
  const server = createServer((incoming, outgoing) => {
    readAll(incoming).then(
      (body) => {
        const { method = '', url = '', headers } = incoming;
        const request = { method, url, headers, body, isSigned: isSignedByCloudKeys(incoming) };
        requests.push(request);
        const { status = 200, headers: extra = {}, body: text = 'content' } = respond(request);
        outgoing.writeHead(status, { 'x-amz-request-id': 'cloud-1', ...extra });
        outgoing.end(method === 'HEAD' ? undefined : text);
      },
      () => outgoing.destroy(),
    );
  });
  return { origin: `http://127.0.0.1:${await listen(server)}`, requests };
};

const table = JSON.parse(
  readFileSync(new URL('../../lib/operations/data/s3.json', import.meta.url), 'utf8'),
) as OperationTable;
const s3 = { table, recognize: createRecognizer(table) };

const DATA = 'arn:aws:s3:::acme-data';
const REPORT = { Bucket: 'acme-data', Key: 'reports/a' };
const run = {
  run: 'run-1',
  task: 'summarize',
  allow: [
    {
      actions: ['s3:GetObject', 's3:PutObject', 's3:DeleteObject'],
      resources: [`${DATA}/reports/*`],
    },
    { actions: ['s3:ListBucket'], resources: [DATA] },
  ],
  account: '111122223333',
  keys: cloudKeys,
  signText,
  signal: new AbortController().signal,
  endWithRun: () => undefined,
  release: () => undefined,
  expire: () => undefined,
};

const MAX_BODY_BYTES = 1024 * 1024;
const buffers = createBodyBuffers(
  { maxBodyBytes: MAX_BODY_BYTES, bufferBytes: MAX_BODY_BYTES },
  { schedule },
);

const startGateway = async (cloud: Cloud, overrides: Partial<CallHandlerDeps> = {}) => {
  const localKeys = createLocalKeys({
    seeds: new Map([['agent', randomBytes(32)]]),
    tasks: [owner],
    randomBytes,
  });
  const outcomes: EndedCall[] = [];
  const upstream = createUpstreamClient({}, { isAllowedAddress: () => true });
  closers.push(upstream.close);
  let host = '';
  const server = createServer();
  const port = await listen(server);
  host = `127.0.0.1:${port}`;
  const handle = createCallHandler({
    getHost: () => host,
    dialect: 's3',
    findKeys: localKeys.find,
    resolveRun: () => Promise.resolve(run),
    findService: (name) => (name === 's3' ? s3 : undefined),
    findOrigin: createOriginFinder({
      region: 'eu-central-1',
      dialect: 's3',
      endpoints: [{ service: 's3', url: cloud.origin }],
    }),
    forward: upstream.forward,
    signText,
    buffers,
    maxBodyBytes: MAX_BODY_BYTES,
    clock,
    createId: randomUUID,
    identified: () => undefined,
    isJournalBlocked: () => false,
    begun: () => undefined,
    report: (outcome) => outcomes.push(outcome),
    ...overrides,
  });
  server.on('request', (incoming, outgoing) => void handle(incoming, outgoing));
  server.on('checkContinue', (incoming, outgoing) => void handle(incoming, outgoing));
  return { endpoint: `http://${host}`, host, port, keys: localKeys.forTask(owner), outcomes };
};

const createClient = (
  { endpoint, keys }: { endpoint: string; keys: AwsKeys },
  options: object = {},
): S3Client => {
  const client = new S3Client({
    endpoint,
    region: 'eu-central-1',
    credentials: keys,
    forcePathStyle: true,
    maxAttempts: 1,
    ...options,
  });
  closers.push(() => {
    client.destroy();
    return Promise.resolve();
  });
  return client;
};

const start = async (
  overrides: Partial<CallHandlerDeps> = {},
  respond?: Parameters<typeof startCloud>[0],
) => {
  const cloud = await startCloud(respond);
  const gateway = await startGateway(cloud, overrides);
  return { cloud, gateway, client: createClient(gateway) };
};

const catchError = async (call: Promise<unknown>): Promise<Record<string, unknown>> =>
  call.then(
    () => {
      throw new Error('expected a refusal');
    },
    (error: unknown) => error as Record<string, unknown>,
  );

const expectNoCloudKey = (value: unknown): void => {
  const text = JSON.stringify(value);
  for (const secret of Object.values(cloudKeys)) expect(text).not.toContain(secret);
};

describe('createCallHandler', () => {
  it('signs a call of an unmodified SDK with the keys of the cloud, which the SDK never sees', async () => {
    const { cloud, gateway, client } = await start();
    const command = new GetObjectCommand({ Bucket: 'acme-data', Key: 'reports/a b/ü+~*.csv' });
    const response = await client.send(command);
    expect(await response.Body?.transformToString()).toBe('content');
    expect(cloud.requests).toEqual([expect.objectContaining({ method: 'GET', isSigned: true })]);
    expect(cloud.requests[0]?.url).toMatch(/^\/acme-data\/reports\/a%20b\/%C3%BC%2B~%2A\.csv/);
    expect(JSON.stringify(cloud.requests)).not.toContain('VALETKEY');
    expectNoCloudKey([response.$metadata, gateway.outcomes]);
    expect(gateway.outcomes).toEqual([
      expect.objectContaining({
        ...owner,
        run: 'run-1',
        outcome: 'allowed',
        status: 200,
        operation: expect.objectContaining({ service: 's3', name: 'GetObject' }),
        permissions: [
          { action: 's3:GetObject', resource: 'arn:aws:s3:::acme-data/reports/a b/ü+~*.csv' },
        ],
        isResolved: true,
      }),
    ]);
  });

  it.each(['s3', 'aws'] as const)(
    'decodes an upload of the newest SDK for dialect %s',
    async (dialect) => {
      const { cloud, client } = await start({ dialect });
      const payload = randomBytes(3 * 1024 * 1024 + 17);
      await client.send(
        new PutObjectCommand({
          Bucket: 'acme-data',
          Key: 'reports/a',
          Body: Readable.from([payload.subarray(0, 100_000), payload.subarray(100_000)]),
          ContentLength: payload.length,
          ContentType: 'text/csv',
        }),
      );
      const [request] = cloud.requests;
      expect(request).toMatchObject({ isSigned: true, headers: { 'content-type': 'text/csv' } });
      const { headers, body = Buffer.alloc(0) } = request ?? {};
      if (dialect === 's3') {
        expect(headers?.['x-amz-content-sha256']).toBe('UNSIGNED-PAYLOAD');
        expect(headers).not.toHaveProperty('content-encoding');
        expect(body.equals(payload)).toBe(true);
      } else {
        expect(headers?.['x-amz-content-sha256']).toBe('STREAMING-UNSIGNED-PAYLOAD-TRAILER');
        const decoder = createChunkDecoder({
          isSigned: false,
          decodedLength: payload.length,
          trailer: String(headers?.['x-amz-trailer']),
        });
        expect(Buffer.concat(decoder.push(body)).equals(payload)).toBe(true);
        expect(decoder.end()).toBeDefined();
      }
    },
  );

  it('passes the hash of a small upload on, for the cloud to verify', async () => {
    const { cloud, client } = await start();
    await client.send(
      new PutObjectCommand({ Bucket: 'acme-data', Key: 'reports/a', Body: 'hello' }),
    );
    const hash = createHash('sha256').update('hello').digest('hex');
    const [request] = cloud.requests;
    expect(request?.isSigned).toBe(true);
    expect(request?.body.toString()).toBe('hello');
    expect([hash, 'UNSIGNED-PAYLOAD']).toContain(request?.headers['x-amz-content-sha256']);
  });

  it.each([
    [
      'another prefix',
      (client: S3Client) =>
        client.send(new GetObjectCommand({ Bucket: 'acme-data', Key: 'secrets/a' })),
      /^valetkey: s3:GetObject on arn:aws:s3:::acme-data\/secrets\/a is outside task summarize \(resource_outside\)$/,
    ],
    [
      'another bucket',
      (client: S3Client) => client.send(new ListObjectsV2Command({ Bucket: 'other' })),
      /s3:ListBucket on arn:aws:s3:::other is outside/,
    ],
    [
      'a copy from another prefix',
      (client: S3Client) =>
        client.send(new CopyObjectCommand({ ...REPORT, CopySource: 'acme-data/secrets/a' })),
      /s3:GetObject on arn:aws:s3:::acme-data\/secrets\/a/,
    ],
    [
      'an ACL',
      (client: S3Client) =>
        client.send(new PutObjectCommand({ ...REPORT, Body: 'x', ACL: 'public-read' })),
      /s3:PutObjectAcl on .* \(action_outside\)/,
    ],
    [
      'one key of several to delete',
      (client: S3Client) =>
        client.send(
          new DeleteObjectsCommand({
            Bucket: 'acme-data',
            Delete: { Objects: [{ Key: 'reports/a' }, { Key: 'secrets/a' }] },
          }),
        ),
      /s3:DeleteObject on arn:aws:s3:::acme-data\/secrets\/a/,
    ],
  ])('refuses %s before anything reaches the cloud', async (_, call, message) => {
    const { cloud, gateway, client } = await start();
    const error = await catchError(call(client));
    expect(error).toMatchObject({ name: 'AccessDenied', message: expect.stringMatching(message) });
    expect(cloud.requests).toEqual([]);
    expect(gateway.outcomes).toEqual([expect.objectContaining({ outcome: 'refused' })]);
  });

  it('deletes several objects within the task', async () => {
    const { cloud, client } = await start({}, () => ({ body: '<DeleteResult/>' }));
    await client.send(
      new DeleteObjectsCommand({
        Bucket: 'acme-data',
        Delete: { Objects: [{ Key: 'reports/a&b' }, { Key: 'reports/c' }] },
      }),
    );
    expect(cloud.requests[0]?.isSigned).toBe(true);
    expect(cloud.requests[0]?.body.toString()).toContain('reports/a&amp;b');
  });

  it.each([
    ['keys of another pod', { accessKeyId: 'VALETKEYAAAAAAAAAAAAAAAA' }, 'InvalidClientTokenId'],
    ['a wrong secret', { secretAccessKey: 'guess' }, 'SignatureDoesNotMatch'],
    ['a wrong session token', { sessionToken: 'guess' }, 'SignatureDoesNotMatch'],
  ])('refuses %s', async (_, change, name) => {
    const { cloud, gateway } = await start();
    const client = createClient({ ...gateway, keys: { ...gateway.keys, ...change } });
    const command = new GetObjectCommand(REPORT);
    expect(await catchError(client.send(command))).toMatchObject({ name });
    expect(cloud.requests).toEqual([]);
  });

  it('refuses a region that is not the platform’s', async () => {
    const { cloud, gateway } = await start();
    const client = createClient(gateway, { region: 'us-east-1' });
    const command = new GetObjectCommand(REPORT);
    expect(await catchError(client.send(command))).toMatchObject({
      name: 'AccessDenied',
      message: expect.stringContaining('region us-east-1'),
    });
    expect(cloud.requests).toEqual([]);
  });

  it('passes an error of the cloud on as it is', async () => {
    const body = '<Error><Code>NoSuchKey</Code><Message>not there</Message></Error>';
    const { client } = await start({}, () => ({ status: 404, body }));
    const command = new GetObjectCommand(REPORT);
    expect(await catchError(client.send(command))).toMatchObject({
      name: 'NoSuchKey',
      $metadata: { requestId: 'cloud-1' },
    });
  });

  it('does not pass a redirect of the cloud on', async () => {
    const { client } = await start({}, () => ({ status: 307, headers: { location: 'http://x/' } }));
    const command = new GetObjectCommand(REPORT);
    expect(await catchError(client.send(command))).toMatchObject({
      message: expect.stringContaining('redirect_refused'),
    });
  });

  it('refuses with the reason of the run’s source, and that of a cloud that does not answer', async () => {
    const revoked = { code: 'run_revoked', message: 'revoked by alice' } as const;
    const first = await start({ resolveRun: () => Promise.resolve(revoked) });
    const command = new GetObjectCommand(REPORT);
    expect(await catchError(first.client.send(command))).toMatchObject({
      message: 'valetkey: revoked by alice (run_revoked)',
    });
    const second = await start({ findOrigin: () => ({ ok: true, value: 'http://127.0.0.1:9' }) });
    expect(await catchError(second.client.send(command))).toMatchObject({
      name: 'ServiceUnavailable',
      message: expect.stringContaining('upstream_unreachable'),
    });
  });

  it('cuts an upload when its run ends, on both sides, and names the reason', async () => {
    const ended = new AbortController();
    let arrived = (): void => undefined;
    const arrival = new Promise<void>((resolve) => (arrived = resolve));
    let closed = (): void => undefined;
    const closing = new Promise<void>((resolve) => (closed = resolve));
    const server = createServer((incoming) => {
      incoming.once('data', arrived);
      incoming.once('close', closed);
    });
    const cloud = { origin: `http://127.0.0.1:${await listen(server)}`, requests: [] };
    const gateway = await startGateway(cloud, {
      resolveRun: () => Promise.resolve({ ...run, signal: ended.signal }),
    });
    const endless = Readable.from(
      (async function* () {
        for (;;) {
          yield Buffer.alloc(65_536);
          await new Promise((resolve) => setImmediate(resolve));
        }
      })(),
    );
    const upload = createClient(gateway).send(
      new PutObjectCommand({
        Bucket: 'acme-data',
        Key: 'reports/a',
        Body: endless,
        ContentLength: 1024 ** 4,
      }),
    );
    const failed = catchError(upload);
    await arrival;
    ended.abort({ code: 'run_revoked', message: 'revoked by alice' });
    await closing;
    await failed;
    endless.destroy();
    expect(gateway.outcomes).toEqual([
      expect.objectContaining({ outcome: 'cut', code: 'run_revoked' }),
    ]);
  });

  /** Starts a gateway before a cloud that leaves its responses unfinished, and one call to it. */
  const startUnfinished = async (
    respond: (outgoing: ServerResponse) => void,
    overrides: Partial<CallHandlerDeps> = {},
  ) => {
    let onCloudClosed = (): void => undefined;
    const cloudClosed = new Promise<void>((resolve) => (onCloudClosed = resolve));
    const server = createServer((_, outgoing) => {
      outgoing.once('close', onCloudClosed);
      respond(outgoing);
    });
    const cloud = { origin: `http://127.0.0.1:${await listen(server)}`, requests: [] };
    let onReported: (call: EndedCall) => void = () => undefined;
    const reported = new Promise<EndedCall>((resolve) => (onReported = resolve));
    const gateway = await startGateway(cloud, { report: (call) => onReported(call), ...overrides });
    const { Body } = await createClient(gateway).send(new GetObjectCommand(REPORT));
    if (!(Body instanceof Readable)) throw new Error('expected a stream');
    const failed = new Promise<Error>((resolve) => void Body.once('error', resolve));
    return { body: Body.resume(), failed, reported, cloudClosed };
  };
  const beginResponse = (outgoing: ServerResponse): void => {
    outgoing.writeHead(200, { 'content-length': 1024 ** 3 });
    outgoing.write(Buffer.alloc(65_536));
  };

  it('breaks the connection with the client if the cloud breaks off its response', async () => {
    const { failed, reported } = await startUnfinished((outgoing) => {
      beginResponse(outgoing);
      outgoing.write('x', () => outgoing.destroy());
    });
    expect((await failed).message).toBe('aborted');
    expect(await reported).toMatchObject({ outcome: 'cut', code: 'upstream_unreachable' });
  });

  it('leaves the cloud when the client leaves in the middle of a response', async () => {
    const { body, reported, cloudClosed } = await startUnfinished(beginResponse);
    body.once('data', () => body.destroy());
    expect(await reported).toMatchObject({ outcome: 'cut', code: 'client_closed' });
    await cloudClosed;
  });

  it('cuts a response on both sides when its run ends', async () => {
    const ended = new AbortController();
    const resolveRun = () => Promise.resolve({ ...run, signal: ended.signal });
    const { body, failed, reported, cloudClosed } = await startUnfinished(beginResponse, {
      resolveRun,
    });
    body.once('data', () => ended.abort({ code: 'run_revoked', message: 'revoked by alice' }));
    expect(await reported).toMatchObject({ outcome: 'cut', code: 'run_revoked' });
    expect((await failed).message).toBe('aborted');
    await cloudClosed;
  });

  it('passes a large response on whole to a client that stops reading for a while', async () => {
    const object = randomBytes(8 * 1024 * 1024);
    const cloud = createServer((_, outgoing) => void outgoing.end(object));
    const origin = `http://127.0.0.1:${await listen(cloud)}`;
    const gateway = await startGateway({ origin, requests: [] });
    const { Body } = await createClient(gateway).send(new GetObjectCommand(REPORT));
    const chunks: Buffer[] = [];
    for await (const chunk of Body as Readable) {
      chunks.push(chunk as Buffer);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(Buffer.concat(chunks).equals(object)).toBe(true);
  });

  it('refuses with overloaded a body for which there is no memory, and reads none of it', async () => {
    const reserved: [string, number][] = [];
    const { cloud, client } = await start({
      buffers: {
        reserve: (consumer, bytes) => {
          reserved.push([consumer, bytes]);
          return Promise.resolve(undefined);
        },
      },
    });
    const command = new DeleteObjectsCommand({
      Bucket: 'acme-data',
      Delete: { Objects: [{ Key: 'reports/a' }] },
    });
    expect(await catchError(client.send(command))).toMatchObject({ name: 'SlowDown' });
    expect(reserved).toEqual([['agent', expect.any(Number)]]);
    expect(cloud.requests).toEqual([]);
  });

  it('frees the memory of a body and releases the run when the call ends', async () => {
    const calls: string[] = [];
    const { client } = await start(
      {
        buffers: { reserve: () => Promise.resolve(() => void calls.push('freed')) },
        resolveRun: () => Promise.resolve({ ...run, release: () => void calls.push('released') }),
      },
      () => ({ body: '<DeleteResult/>' }),
    );
    const Objects = [{ Key: 'reports/a' }];
    await client.send(new DeleteObjectsCommand({ Bucket: 'acme-data', Delete: { Objects } }));
    expect(calls).toEqual(['freed', 'released']);
  });

  it('reads no body of an unknown key, and asks for no memory', async () => {
    const { gateway } = await start({
      buffers: { reserve: () => Promise.reject(new Error('asked for memory')) },
    });
    const keys = { ...gateway.keys, accessKeyId: 'VALETKEYAAAAAAAAAAAAAAAA' };
    const Objects = [{ Key: 'reports/a' }];
    const call = createClient({ ...gateway, keys }).send(
      new DeleteObjectsCommand({ Bucket: 'acme-data', Delete: { Objects } }),
    );
    expect(await catchError(call)).toMatchObject({ name: 'InvalidClientTokenId' });
  });

  it('refuses a body above the limit whose length was not announced, once it is above', async () => {
    const { cloud, gateway } = await start();
    const socket = connect(gateway.port, '127.0.0.1');
    closers.push(() => {
      socket.destroy();
      return Promise.resolve();
    });
    const credential = `${gateway.keys.accessKeyId}/20260101/eu-central-1/s3/aws4_request`;
    socket.write(
      [
        'POST /acme-data?delete HTTP/1.1',
        `Host: ${gateway.host}`,
        `Authorization: AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=host, Signature=${'0'.repeat(64)}`,
        'Transfer-Encoding: chunked',
        '',
        (MAX_BODY_BYTES + 1).toString(16),
        'a'.repeat(MAX_BODY_BYTES + 1),
        '0',
        '',
        '',
      ].join('\r\n'),
    );
    expect((await readAll(socket)).toString()).toMatch(
      /^HTTP\/1\.1 413 [^]*x-valetkey-code: body_too_large/,
    );
    expect(cloud.requests).toEqual([]);
  });

  it('lets the client read a refusal while it still sends its body', async () => {
    const { gateway, client } = await start();
    const Body = Buffer.alloc(3 * 1024 * 1024);
    const command = new PutObjectCommand({ Bucket: 'acme-data', Key: 'secrets/a', Body });
    expect(await catchError(client.send(command))).toMatchObject({ name: 'AccessDenied' });
    expect(gateway.outcomes).toEqual([
      expect.objectContaining({ outcome: 'refused', code: 'resource_outside', status: 403 }),
    ]);
  });

  it.each([
    ['another Host', ['GET / HTTP/1.1', 'Host: evil.example']],
    ['a repeated header', ['GET / HTTP/1.1', 'Host: HOST', 'x-amz-date: a', 'X-Amz-Date: b']],
    ['the absolute form', ['GET http://HOST/ HTTP/1.1', 'Host: HOST']],
    [
      'two lengths',
      ['PUT / HTTP/1.1', 'Host: HOST', 'Content-Length: 1', 'Transfer-Encoding: chunked'],
    ],
  ])('refuses %s with 400', async (_, lines) => {
    const { cloud, gateway } = await start();
    const socket = connect(gateway.port, '127.0.0.1');
    closers.push(() => {
      socket.destroy();
      return Promise.resolve();
    });
    socket.write(
      [...lines, 'Connection: close', '', ''].join('\r\n').replaceAll('HOST', gateway.host),
    );
    const answer = await readAll(socket);
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 400 /);
    expect(cloud.requests).toEqual([]);
  });

  it('sends 100 Continue between the responses of a connection, never within one', async () => {
    let endFirst = (): void => undefined;
    const first = new Promise<typeof run>((resolve) => (endFirst = () => resolve(run)));
    const { gateway } = await start({
      resolveRun: () => first,
      report: ({ outcome }) => {
        if (outcome === 'refused') endFirst();
      },
    });
    const { host, keys, port } = gateway;
    const target = parseRequestTarget('/acme-data/reports/a');
    if (!target.ok) throw new Error(target.reason);
    const signed = signRequest(
      { method: 'GET', target: target.target, headers: new Map([['host', host]]) },
      {
        keys,
        region: 'eu-central-1',
        service: 's3',
        payloadHash: createHash('sha256').digest('hex'),
        nowMs: Date.now(),
      },
      signText,
    );
    const head = [...signed.headers].map(([name, value]) => `${name}: ${value}\r\n`).join('');
    const forged = head.replace(/Signature=.*/, `Signature=${'0'.repeat(64)}`);
    // Without the hash, the body is read before the signature is checked.
    const unread = forged.replace(/x-amz-content-sha256: .*\r\n/, '');
    const socket = connect(port, '127.0.0.1');
    socket.write(
      `GET /acme-data/reports/a HTTP/1.1\r\n${head}\r\n` +
        `PUT /acme-data/reports/a HTTP/1.1\r\n${unread}Connection: close\r\n` +
        'Expect: 100-continue\r\nContent-Length: 2\r\n\r\nhi',
    );
    const text = String(await readAll(socket));
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*content/);
    const [, refusal = ''] = text.split('HTTP/1.1 403 Forbidden');
    expect(refusal).toMatch(/signature_invalid[^]*<\/Error>$/);
    expect(refusal).not.toContain('100 Continue');
  });
});
