import { readFileSync } from 'node:fs';
import { connect as connectHttp2, constants, type OutgoingHttpHeaders } from 'node:http2';
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';
import { connect } from 'node:net';
import { join } from 'node:path';

import { afterEach, describe, expect, it } from '@jest/globals';

import type { Exchange } from '../../lib/contract/exchange.ts';
import { buildTask } from '../../lib/runs/fixtures/fake-exchange.ts';
import type { RunRegistry } from '../../lib/runs/run-registry.ts';
import { createRequest, signWithSdk } from '../../lib/signing/fixtures/requests.ts';
import type { AwsKeys } from '../../lib/signing/signing-keys.ts';
import { createTestSubscriber } from './fixtures/test-subscriber.ts';
import { startRecordingCloud } from './fixtures/recording-cloud.ts';
import { sendRequest, startTestSidecar } from './fixtures/test-sidecar.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const REGION = 'eu-central-1';
const ACCOUNT = '111122223333';
const STREAM = `arn:aws:kinesis:${REGION}:${ACCOUNT}:stream/orders`;
const KEY = 'sk-real-0123456789abcdef';

const buildTasks = (origin: string) => [
  buildTask({
    delivery: 'sign',
    default: true,
    allow: [
      { actions: ['kinesis:PutRecord'], resources: [STREAM] },
      { actions: ['kinesis:ListStreams'], resources: ['*'] },
      {
        actions: ['s3:GetObject', 's3:PutObject'],
        resources: ['arn:aws:s3:::acme-data/reports/*'],
      },
    ],
  }),
  buildTask({ name: 'mail', delivery: 'sign', containers: ['helper'] }),
  buildTask({
    ...{ name: 'chat', provider: 'http', role: 'model-api', delivery: 'sign' },
    allow: [{ actions: ['http:POST'], resources: [`${origin}/v1/*`] }],
  }),
];

const createExchange =
  (origin: string): Exchange =>
  ({ task: { name, provider, lifetimeSeconds } }) =>
    Promise.resolve({
      run: `run-${name}`,
      ...(provider === 'http'
        ? {
            secret: {
              kind: 'http',
              headers: { authorization: `Bearer ${KEY}` },
              echoes: [KEY],
              upstream: {
                ...{ name: 'model-api', url: origin, protocol: 'http', encodedSlash: 'refuse' },
                ...{ headers: { pass: [], set: {} }, query: { deny: [] } },
                ...{ allowHttp: true, privateAddresses: true, maxBodyBytes: 4096 },
              },
            },
          }
        : {
            credentials: {
              accessKeyId: 'ASIACLOUD',
              secretAccessKey: 'cloud-secret',
              sessionToken: 'cloud-token',
            },
          }),
      deadline: Date.now() + lifetimeSeconds * 1000,
      skewMs: 0,
    });

const start = async (...cloudOptions: Parameters<typeof startRecordingCloud>) => {
  const cloud = await startRecordingCloud(...cloudOptions);
  closers.push(cloud.close);
  let registry: RunRegistry | undefined;
  const running = await startTestSidecar({
    tasks: buildTasks(cloud.origin),
    environment: {
      VALETKEY_GATEWAY: JSON.stringify({
        ...{ region: REGION, dialect: 'aws', allowHttp: true },
        endpoints: ['kinesis', 's3', 'bedrock'].map((service) => ({ service, url: cloud.origin })),
        ...{ maxBodyBytes: 1_048_576, bufferBytes: 4_194_304 },
      }),
    },
    createSource: () => ({
      exchange: createExchange(cloud.origin),
      authority: createTestSubscriber({
        subscribe: (subscribed) => (registry = subscribed),
      }),
    }),
  });
  closers.push(async () => {
    await running.stop();
    running.remove();
  });
  const host = `127.0.0.1:${running.gatewayPort}`;
  const readToken = (consumer: string): string =>
    readFileSync(join(running.folder, consumer, 'token'), 'utf8');
  const readKeys = async (consumer = 'agent'): Promise<AwsKeys> => {
    const { text } = await sendRequest({
      ...{ port: running.loopbackPort, path: '/v1/credentials' },
      headers: { Authorization: readToken(consumer) },
    });
    const { AccessKeyId, SecretAccessKey, Token } = JSON.parse(text) as Record<string, string>;
    return {
      accessKeyId: AccessKeyId ?? '',
      secretAccessKey: SecretAccessKey ?? '',
      sessionToken: Token ?? '',
    };
  };
  const open = (consumer?: string): ClientHttp2Session => {
    const session = connectHttp2(`http://${host}`, {
      ...(consumer !== undefined && {
        createConnection: () => connect(join(running.folder, consumer, 'gateway')),
      }),
    });
    session.on('error', () => undefined);
    closers.push(() => session.destroy());
    return session;
  };
  const revoke = (): void => {
    registry?.revoke([{ name: 'stop-it', reason: 'it misbehaves' }]);
  };
  return { cloud, running, host, readToken, readKeys, open, revoke };
};

type Signed = {
  readonly keys: AwsKeys;
  readonly service?: string;
  readonly method?: string;
  readonly target?: string;
  readonly headers?: Readonly<Record<string, string>>;
};

/** Signs as the AWS SDK for JavaScript does over HTTP/2: `:authority` in place of `host`. */
const sign = async (
  host: string,
  { keys, service = 's3', method = 'GET', target = '/acme-data/reports/a', headers = {} }: Signed,
): Promise<OutgoingHttpHeaders> => {
  const request = createRequest({ method, target, headers });
  const own = new Map([...request.headers].filter(([name]) => name !== 'host'));
  const signed = await signWithSdk(
    { ...request, headers: own.set(':authority', host) },
    { service, keys, nowMs: Date.now() },
  );
  return { ...Object.fromEntries(signed), ':method': method, ':path': target };
};

const waitForClose = async (session: ClientHttp2Session): Promise<void> => {
  if (!session.destroyed) await new Promise((resolve) => session.once('close', resolve));
};

const hash = async (body: string): Promise<string> => {
  const digest = await crypto.subtle.digest('SHA-256', Buffer.from(body));
  return Buffer.from(digest).toString('hex');
};

const PUT_RECORD = '{"StreamName":"orders","Data":"YQ==","PartitionKey":"1"}';

const signPut = async (host: string, keys: AwsKeys, body = PUT_RECORD) =>
  sign(host, {
    ...{ keys, service: 'kinesis', method: 'POST', target: '/' },
    headers: {
      'x-amz-target': 'Kinesis_20131202.PutRecord',
      'content-type': 'application/x-amz-json-1.1',
      'content-length': String(body.length),
      'x-amz-content-sha256': await hash(body),
    },
  });

type Answer = { readonly status: number; readonly code: unknown; readonly text: string };

const read = async (stream: ClientHttp2Stream): Promise<Answer> => {
  let head: Readonly<Record<string, unknown>> = {};
  stream.on('response', (headers) => (head = headers));
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  return { status: Number(head[':status']), code: head['x-valetkey-code'], text };
};

const ask = (
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
  body?: string,
): Promise<Answer> => {
  const stream = session.request(headers, { endStream: body === undefined });
  if (body !== undefined) stream.end(body);
  return read(stream);
};

describe('a call over HTTP/2', () => {
  it('is evaluated, signed and journaled as one over HTTP/1.1', async () => {
    const { cloud, host, open, readKeys, running } = await start();
    const keys = await readKeys();
    const session = open();
    const put = await ask(session, await signPut(host, keys), PUT_RECORD);
    expect(put).toEqual({ status: 200, code: undefined, text: 'content' });
    const [request] = cloud.requests;
    expect(request).toMatchObject({
      ...{ method: 'POST', url: '/' },
      headers: { 'x-amz-target': 'Kinesis_20131202.PutRecord' },
    });
    expect(request?.body.toString()).toBe(PUT_RECORD);
    expect(request?.headers.authorization).toContain('Credential=ASIACLOUD/');
    expect(JSON.stringify(request)).not.toMatch(/VALETKEY|authority/);
    const other = PUT_RECORD.replace('orders', 'salaries');
    expect(await ask(session, await signPut(host, keys, other), other)).toMatchObject({
      ...{ status: 403, code: 'resource_outside' },
      text: expect.stringContaining('is outside task summarize (resource_outside)'),
    });
    expect(cloud.requests).toHaveLength(1);
    const { text } = await sendRequest({ port: running.telemetryPort, path: '/metrics' });
    expect(text).toContain(
      'valetkey_sidecar_calls_total{task="summarize",outcome="allowed",code="none"} 1',
    );
  });

  it('passes on the consumer’s own socket, where keys of others do not exist', async () => {
    const { cloud, host, open, readKeys } = await start();
    const signed = await signPut(host, await readKeys());
    expect(await ask(open('agent'), signed, PUT_RECORD)).toMatchObject({ status: 200 });
    expect(await ask(open('helper'), signed, PUT_RECORD)).toMatchObject({ code: 'run_unknown' });
    expect(cloud.requests).toHaveLength(1);
  });

  it('gets a stream of events refused before its end', async () => {
    const { host, open, readKeys } = await start();
    const headers = await sign(host, {
      ...{ keys: await readKeys(), service: 'bedrock', method: 'POST' },
      target: '/model/m/invoke-with-bidirectional-stream',
      headers: {
        'content-type': 'application/vnd.amazon.eventstream',
        'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-EVENTS',
      },
    });
    const stream = open().request(headers);
    stream.write('event');
    expect(await read(stream)).toMatchObject({ status: 501, code: 'event_stream' });
  });

  it('reaches tasks of provider http by their routes', async () => {
    const { cloud, open, readToken, readKeys } = await start();
    await readKeys();
    const headers = { ':method': 'POST', ':path': '/t/chat/v1/chat', 'content-type': 'text/plain' };
    const key = { 'x-api-key': readToken('agent') };
    expect(await ask(open(), { ...headers, ...key }, 'hello')).toMatchObject({ status: 200 });
    expect(await ask(open('agent'), headers, 'hello')).toMatchObject({ status: 200 });
    for (const { url, body, headers: received } of cloud.requests) {
      expect([url, body.toString()]).toEqual(['/v1/chat', 'hello']);
      expect(received.authorization).toBe(`Bearer ${KEY}`);
    }
    expect(await ask(open(), headers, 'hello')).toMatchObject({ code: 'key_required' });
    const outside = { ...headers, ...key, ':path': '/t/chat/v2/../v1' };
    expect(await ask(open(), outside, 'x')).toMatchObject({ status: 400 });
    const large = 'x'.repeat(5_000);
    expect(await ask(open(), { ...headers, ...key }, large)).toMatchObject({
      code: 'body_too_large',
    });
    expect(cloud.requests).toHaveLength(2);
  });

  it('is cut on both sides when its run is revoked, and other calls of the connection are refused', async () => {
    let onData = (): void => undefined;
    const arrived = new Promise<void>((resolve) => (onData = resolve));
    let onClose = (): void => undefined;
    const closed = new Promise<void>((resolve) => (onClose = resolve));
    const { host, open, readKeys, revoke } = await start(undefined, (incoming) => {
      incoming.once('data', onData).once('close', onClose);
    });
    const keys = await readKeys();
    const session = open();
    const upload = session.request(
      await sign(host, {
        ...{ keys, method: 'PUT' },
        headers: { 'content-length': '1000000', 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' },
      }),
    );
    upload.on('error', () => undefined).write('begin');
    await arrived;
    revoke();
    await closed;
    const cut = await read(upload).catch((error: unknown) => error);
    expect(JSON.stringify(cut)).toMatch(/run_revoked|ERR_HTTP2_STREAM_ERROR|ERR_STREAM/);
    expect(await ask(session, await sign(host, { keys }))).toMatchObject({
      ...{ status: 403, code: 'run_revoked' },
    });
  });

  it('is given up with its client, at the cloud too', async () => {
    let onData = (): void => undefined;
    const arrived = new Promise<void>((resolve) => (onData = resolve));
    let onClose = (): void => undefined;
    const closed = new Promise<void>((resolve) => (onClose = resolve));
    const { host, open, readKeys } = await start(undefined, (incoming) => {
      onData();
      incoming.socket.once('close', onClose);
    });
    const stream = open().request(await sign(host, { keys: await readKeys() }));
    stream.on('error', () => undefined);
    await arrived;
    stream.close(constants.NGHTTP2_CANCEL);
    await closed;
  });

  it('ends with the sidecar', async () => {
    let onRequest = (): void => undefined;
    const arrived = new Promise<void>((resolve) => (onRequest = resolve));
    const { host, open, readKeys, running } = await start(undefined, () => onRequest());
    const session = open();
    const waiting = ask(session, await sign(host, { keys: await readKeys() })).catch(
      (error: unknown) => error,
    );
    await arrived;
    const idle = open();
    await new Promise((resolve) => idle.once('remoteSettings', resolve));
    await running.stop();
    await waiting;
    await Promise.all([session, idle].map(waitForClose));
  });
});

describe('what HTTP/2 could say in two ways', () => {
  it.each<[string, OutgoingHttpHeaders, string]>([
    ['another authority', { ':authority': 'evil.example' }, 'request_malformed'],
    ['an authority and another host', { host: 'evil.example' }, 'request_malformed'],
    ['another scheme', { ':scheme': 'https' }, 'request_malformed'],
    ['a fragment', { ':path': '/acme-data/reports/a#b' }, 'request_malformed'],
    ['a query key twice', { ':path': '/acme-data?prefix=a&prefix=b' }, 'request_malformed'],
    ['another path than signed', { ':path': '/acme-data/reports/b' }, 'signature_invalid'],
    ['another method than signed', { ':method': 'DELETE' }, 'signature_invalid'],
    ['a header of AWS that is not signed', { 'x-amz-acl': 'public-read' }, 'header_unsigned'],
    ['a repeated header', { 'x-note': ['1', '2'] }, 'request_malformed'],
    ['a header of a browser', { origin: 'http://evil.example' }, 'not_local'],
    ['a header of a proxy', { 'x-forwarded-for': '10.0.0.1' }, 'not_local'],
  ])('is refused: %s', async (_, changed, code) => {
    const { cloud, host, open, readKeys } = await start();
    const signed = await sign(host, { keys: await readKeys() });
    const session = open();
    const answer = await ask(session, { ...signed, ...changed });
    expect(answer.code).toBe(code);
    expect(cloud.requests).toEqual([]);
    // The connection is not desynchronized.
    expect(await ask(session, signed)).toMatchObject({ status: 200 });
  });

  it('is refused: a signature of neither host nor authority', async () => {
    const { cloud, host, open, readKeys } = await start();
    const request = createRequest({});
    const headers = new Map([...request.headers].filter(([name]) => name !== 'host'));
    const signed = await signWithSdk(
      { ...request, headers },
      { service: 's3', keys: await readKeys(), nowMs: Date.now() },
    );
    const answer = await ask(open(), {
      ...Object.fromEntries(signed),
      ...{ ':authority': host, ':path': '/acme-data/reports/a.csv' },
    });
    expect(answer.code).toBe('header_unsigned');
    expect(cloud.requests).toEqual([]);
  });

  /** Literal fields without indexing: names and values as they are (RFC 7541, section 6.2.2). */
  const encodeFields = (fields: readonly (readonly [string, string])[]): Buffer =>
    Buffer.concat(
      fields.map(([name, value]) =>
        Buffer.concat([
          ...[Buffer.from([0, name.length]), Buffer.from(name, 'latin1')],
          ...[Buffer.from([value.length]), Buffer.from(value, 'latin1')],
        ]),
      ),
    );
  const buildFrame = (type: number, flags: number, id: number, payload: Buffer): Buffer => {
    const head = Buffer.alloc(9);
    head.writeUIntBE(payload.length, 0, 3);
    head.writeUInt8(type, 3);
    head.writeUInt8(flags, 4);
    head.writeUInt32BE(id, 5);
    return Buffer.concat([head, payload]);
  };
  const FIELDS = [
    [':method', 'POST'],
    [':scheme', 'http'],
    [':path', '/t/chat/v1/x'],
    [':authority', 'HOST'],
  ] as const;
  const WITHOUT_PATH = FIELDS.filter(([name]) => name !== ':path');

  /** Sends one head on the agent's own socket. @returns when it was processed */
  const sendFields = async (
    { running, host }: Awaited<ReturnType<typeof start>>,
    fields: readonly (readonly [string, string])[],
  ): Promise<void> => {
    const socket = connect({ path: join(running.folder, 'agent', 'gateway') });
    closers.push(() => socket.destroy());
    const block = encodeFields(
      fields.map(([name, value]) => [name, value.replace('HOST', host)] as const),
    );
    socket.write(
      Buffer.concat([
        Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
        ...[buildFrame(4, 0, 0, Buffer.alloc(0)), buildFrame(4, 1, 0, Buffer.alloc(0))],
        // END_STREAM and END_HEADERS; then PING.
        ...[buildFrame(1, 5, 1, block), buildFrame(6, 0, 0, Buffer.from('finished'))],
      ]),
    );
    let received = Buffer.alloc(0);
    for await (const chunk of socket) {
      received = Buffer.concat([received, chunk as Buffer]);
      if (received.includes('finished')) break;
    }
  };
  const VALID = { ':method': 'POST', ':path': '/t/chat/v1/valid' };

  it('becomes a request, by raw frames, where nothing is wrong', async () => {
    const started = await start();
    await sendFields(started, FIELDS);
    await ask(started.open('agent'), VALID);
    expect(started.cloud.requests.map(({ url }) => url)).toEqual(['/v1/x', '/v1/valid']);
  });

  it.each([
    ['idempotency key', '1'],
    ['idempotency-key', '1\r\nhost: evil.example'],
    ['idempotency-key', '1\0'],
  ])('becomes a request without a field that no reader accepts: %j: %j', async (name, value) => {
    const started = await start();
    await sendFields(started, [...FIELDS, [name, value]]);
    await ask(started.open('agent'), VALID);
    const [first, second] = started.cloud.requests;
    expect([first?.url, second?.url]).toEqual(['/v1/x', '/v1/valid']);
    expect(JSON.stringify(first?.headers)).not.toMatch(/idempotency|evil/);
  });

  it.each<[string, readonly (readonly [string, string])[]]>([
    ['transfer-encoding', [...FIELDS, ['transfer-encoding', 'chunked']]],
    ['connection', [...FIELDS, ['connection', 'x-amz-date']]],
    ['an upgrade', [...FIELDS, ['upgrade', 'websocket']]],
    ['a name in upper case', [...FIELDS, ['X-Amz-Date', '1']]],
    ['two paths', [...FIELDS, [':path', '/t/chat/v2']]],
    ['two methods', [[':method', 'DELETE'], ...FIELDS]],
    ['two authorities', [...FIELDS, [':authority', 'evil.example']]],
    ['a pseudo-header after others', [...FIELDS.slice(1), ['x-a', '1'], [':method', 'GET']]],
    ['an unknown pseudo-header', [...FIELDS, [':protocol', 'websocket']]],
    ['no path', WITHOUT_PATH],
    ['an empty path', [...WITHOUT_PATH, [':path', '']]],
    ['the absolute form', [...WITHOUT_PATH, [':path', 'http://HOST/t/chat/v1/x']]],
    ['two lengths', [...FIELDS, ['content-length', '0'], ['content-length', '5']]],
    ['a length without a body', [...FIELDS, ['content-length', '5']]],
    ['a length that is no number', [...FIELDS, ['content-length', '+0']]],
  ])('never becomes a request, by raw frames: %s', async (_, fields) => {
    const started = await start();
    await sendFields(started, fields);
    await ask(started.open('agent'), VALID);
    expect(started.cloud.requests.map(({ url }) => url)).toEqual(['/v1/valid']);
  });
});
