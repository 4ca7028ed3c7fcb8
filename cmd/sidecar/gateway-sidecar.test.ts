import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';

import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { afterEach, describe, expect, it } from '@jest/globals';

import { createAuditFile } from '../../lib/audit/fixtures/recording.ts';
import { verifyCalls } from '../../lib/audit/call-verification.ts';
import type { CallReport } from '../../lib/calls/journal.ts';
import type { Exchange } from '../../lib/contract/exchange.ts';
import { buildTask } from '../../lib/runs/fixtures/fake-exchange.ts';
import type { RunRegistry } from '../../lib/runs/run-registry.ts';
import { startEmbeddedCloud } from '../../test/fakes/cloud/embedded-cloud.ts';
import { startLocalIssuer } from '../../test/fakes/cloud/local-issuer.ts';
import { listExemplars, PROMETHEUS_ACCEPT } from '../../test/kit/openmetrics.ts';
import { createCredentialSource, type CredentialSource } from './credential-source.ts';
import { createTestSubscriber } from './fixtures/test-subscriber.ts';
import { startRecordingCloud } from './fixtures/recording-cloud.ts';
import { createPodFolder, sendRequest, startTestSidecar } from './fixtures/test-sidecar.ts';

const REGION = 'eu-central-1';
const REPORT = { Bucket: 'acme-data', Key: 'reports/a' };

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const DATA = 'arn:aws:s3:::acme-data';
const signTask = buildTask({
  delivery: 'sign',
  default: true,
  allow: [{ actions: ['s3:GetObject', 's3:PutObject'], resources: [`${DATA}/reports/*`] }],
});
const customerTask = buildTask({
  name: 'customer',
  delivery: 'sign',
  params: { customer: { pattern: '[a-z]+', maxLength: 40 } },
  allow: [{ actions: ['s3:GetObject'], resources: [`${DATA}/customers/{customer}/*`] }],
});
const helperTask = buildTask({ name: 'mail', delivery: 'sign', containers: ['helper'] });
const vendTask = buildTask({ name: 'legacy', containers: ['legacy'] });
const tasks = [signTask, customerTask, helperTask, vendTask];

let issuedRuns = 0;
const CLOUD_SECRETS = ['ASIACLOUD', 'cloud-secret', 'cloud-token'];
const issueRun: Exchange = ({ task: { lifetimeSeconds } }) => {
  issuedRuns += 1;
  return Promise.resolve({
    run: `run-${issuedRuns}`,
    credentials: {
      accessKeyId: `ASIACLOUD${issuedRuns}`,
      secretAccessKey: 'cloud-secret',
      sessionToken: 'cloud-token',
    },
    deadline: Date.now() + lifetimeSeconds * 1000,
    skewMs: 0,
  });
};

type Running = Awaited<ReturnType<typeof startTestSidecar>>;
type StartOptions = Partial<Parameters<typeof startTestSidecar>[0]>;

const buildGatewayAccess = (origin: string): string =>
  JSON.stringify({
    region: REGION,
    dialect: 's3',
    allowHttp: true,
    endpoints: [{ service: 's3', url: origin }],
    maxBodyBytes: 8 * 1024 * 1024,
    bufferBytes: 32 * 1024 * 1024,
  });

const startForTest = async (
  origin: string,
  { environment = {}, ...options }: StartOptions = {},
): Promise<Running> => {
  const running = await startTestSidecar({
    tasks,
    exchange: issueRun,
    environment: { VALETKEY_GATEWAY: buildGatewayAccess(origin), ...environment },
    ...options,
  });
  let stopping: Promise<void> | undefined;
  const stop = () => (stopping ??= running.stop());
  closers.push(async () => {
    await stop();
    if (options.pod === undefined) running.remove();
  });
  return { ...running, stop };
};

const startCloud = async (...options: Parameters<typeof startRecordingCloud>) => {
  const cloud = await startRecordingCloud(...options);
  closers.push(cloud.close);
  return cloud;
};

const buildLoopbackRequest = ({ folder, loopbackPort }: Running, consumer = 'agent') => ({
  port: loopbackPort,
  headers: { Authorization: readFileSync(join(folder, consumer, 'token'), 'utf8') },
});

type Keys = { AccessKeyId: string; SecretAccessKey: string; Token: string; Expiration: string };

const readKeys = async (
  running: Running,
  path = '/v1/credentials',
  consumer = 'agent',
): Promise<Keys> => {
  const answer = await sendRequest({ ...buildLoopbackRequest(running, consumer), path });
  return JSON.parse(answer.text) as Keys;
};

const createClient = (endpoint: string, keys: Keys, options: object = {}): S3Client => {
  const client = new S3Client({
    endpoint,
    region: REGION,
    credentials: {
      accessKeyId: keys.AccessKeyId,
      secretAccessKey: keys.SecretAccessKey,
      sessionToken: keys.Token,
    },
    forcePathStyle: true,
    maxAttempts: 1,
    ...options,
  });
  closers.push(() => client.destroy());
  return client;
};

const getEndpoint = ({ gatewayPort = 0 }: Running): string => `http://127.0.0.1:${gatewayPort}`;

const createAgent = async (running: Running): Promise<S3Client> =>
  createClient(getEndpoint(running), await readKeys(running));

const catchError = async (call: Promise<unknown>): Promise<Record<string, unknown>> =>
  call.then(
    () => {
      throw new Error('expected a refusal');
    },
    (error: unknown) => error as Record<string, unknown>,
  );

/** Sends text as it is. @returns all that came back before the connection was closed */
const sendRaw = async (to: { port: number } | { path: string }, text: string): Promise<string> => {
  const socket = connect(to);
  closers.push(() => socket.destroy());
  socket.write(text);
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('latin1');
};

const createEndless = (): Readable =>
  Readable.from(
    (async function* () {
      for (;;) {
        yield Buffer.alloc(65_536);
        await turn();
      }
    })(),
  );

describe('a sidecar with sign tasks', () => {
  it('serves an unmodified SDK with local keys, within the task, from the tokens of the pod', async () => {
    const issuer = await startLocalIssuer(Date.now);
    closers.push(issuer.close);
    const roleArn = signTask.role;
    const cloud = await startEmbeddedCloud({
      region: REGION,
      providers: [{ issuer: issuer.issuer, audiences: ['sts.amazonaws.com'] }],
      roles: [
        {
          arn: roleArn,
          trustPolicy: JSON.stringify({
            Version: '2012-10-17',
            Statement: {
              Effect: 'Allow',
              Principal: {
                Federated: `arn:aws:iam::111122223333:oidc-provider/${issuer.issuer.slice(7)}`,
              },
              Action: 'sts:AssumeRoleWithWebIdentity',
            },
          }),
          policy: JSON.stringify({
            Version: '2012-10-17',
            Statement: { Effect: 'Allow', Action: 's3:*', Resource: '*' },
          }),
        },
      ],
      buckets: { 'acme-data': { 'reports/a': 'first', 'secrets/a': 'secret' } },
      now: Date.now,
    });
    closers.push(cloud.close);
    const pod = createPodFolder([signTask]);
    closers.push(pod.remove);
    const { writeFileSync } = await import('node:fs');
    writeFileSync(
      join(pod.folder, 'token'),
      await issuer.sign({
        aud: 'sts.amazonaws.com',
        sub: 'system:serviceaccount:research:agent',
        exp: Math.floor(Date.now() / 1000) + 600,
      }),
    );
    const running = await startForTest(cloud.endpoint, {
      tasks: [signTask],
      pod,
      environment: {
        VALETKEY_CLOUD: JSON.stringify({
          region: REGION,
          stsEndpoint: cloud.endpoint,
          allowHttp: true,
          dialect: 's3',
        }),
      },
      createSource: createCredentialSource,
    });
    const keys = await readKeys(running);
    expect(keys.AccessKeyId).toMatch(/^VALETKEY[A-Z2-7]{16}$/);
    const client = createClient(getEndpoint(running), keys);
    const first = await client.send(new GetObjectCommand(REPORT));
    expect(await first.Body?.transformToString()).toBe('first');
    await client.send(new PutObjectCommand({ ...REPORT, Body: 'second' }));
    const second = await client.send(new GetObjectCommand(REPORT));
    expect(await second.Body?.transformToString()).toBe('second');

    const outside = { Bucket: 'acme-data', Key: 'secrets/a' };
    const refused = await catchError(client.send(new GetObjectCommand(outside)));
    expect(refused).toMatchObject({
      name: 'AccessDenied',
      message: expect.stringContaining('is outside task summarize (resource_outside)'),
    });
    const bypassing = createClient(cloud.endpoint, keys);
    expect(await catchError(bypassing.send(new GetObjectCommand(REPORT)))).toMatchObject({
      name: 'InvalidAccessKeyId',
    });
    const [session] = cloud.listSessions();
    const received = JSON.stringify([keys, first.$metadata, refused, running.lines]);
    expect(cloud.listSessions()).toHaveLength(1);
    expect(received).not.toContain(session?.accessKeyId);
    expect(received).not.toContain(session?.secretAccessKey);
    expect(received).not.toContain(session?.sessionToken);
  });

  it('streams a multipart upload part by part', async () => {
    const cloud = await startCloud(({ url, method }) => {
      if (method === 'PUT') return { headers: { etag: '"part"' } };
      return url.includes('uploads')
        ? {
            body: '<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>',
          }
        : {
            body: '<CompleteMultipartUploadResult><ETag>"whole"</ETag></CompleteMultipartUploadResult>',
          };
    });
    const running = await startForTest(cloud.origin);
    const client = await createAgent(running);
    const { UploadId } = await client.send(new CreateMultipartUploadCommand(REPORT));
    const parts = [randomBytes(5 * 1024 * 1024), randomBytes(1024)];
    const uploaded = await Promise.all(
      parts.map(async (Body, index) => {
        const PartNumber = index + 1;
        const part = await client.send(
          new UploadPartCommand({ ...REPORT, UploadId, PartNumber, Body }),
        );
        return { PartNumber, ETag: part.ETag };
      }),
    );
    const done = await client.send(
      new CompleteMultipartUploadCommand({
        ...REPORT,
        UploadId,
        MultipartUpload: { ['Parts']: uploaded },
      }),
    );
    expect(done.ETag).toBe('"whole"');
    const puts = cloud.requests.filter(({ method }) => method === 'PUT');
    expect(puts.map(({ body }) => body.length).sort()).toEqual(parts.map((p) => p.length).sort());
    for (const part of parts) expect(puts.some(({ body }) => body.equals(part))).toBe(true);
  });

  it('cuts an upload on both sides when its run is revoked, and refuses the next call', async () => {
    let onData = (): void => undefined;
    const arrived = new Promise<void>((resolve) => (onData = resolve));
    let onClose = (): void => undefined;
    const closed = new Promise<void>((resolve) => (onClose = resolve));
    const cloud = await startCloud(undefined, (incoming) => {
      incoming.once('data', onData).once('close', onClose);
    });
    let registry: RunRegistry | undefined;
    const running = await startForTest(cloud.origin, {
      createSource: () => ({
        exchange: issueRun,
        authority: createTestSubscriber({
          subscribe: (subscribed) => (registry = subscribed),
        }),
      }),
    });
    const client = await createAgent(running);
    const endless = createEndless();
    const upload = client.send(
      new PutObjectCommand({ ...REPORT, Body: endless, ContentLength: 1024 ** 4 }),
    );
    const failed = catchError(upload);
    await arrived;
    registry?.revoke([{ name: 'stop-it', reason: 'it misbehaves' }]);
    await closed;
    await failed;
    endless.destroy();
    expect(await catchError(client.send(new GetObjectCommand(REPORT)))).toMatchObject({
      name: 'AccessDenied',
      message: expect.stringMatching(/stop-it.*it misbehaves.*\(run_revoked\)/),
    });
  });

  it('accepts the keys of a task without params after a restart, with the same seed', async () => {
    const cloud = await startCloud();
    const pod = createPodFolder(tasks);
    closers.push(pod.remove);
    const first = await startForTest(cloud.origin, { pod });
    const keys = await readKeys(first);
    await first.stop();
    const seed = statSync(join(pod.folder, 'agent', 'seed'));
    expect(seed.size).toBe(32);
    expect(seed.mode & 0o777).toBe(0o600);
    const second = await startForTest(cloud.origin, { pod });
    const client = createClient(getEndpoint(second), keys);
    await client.send(new GetObjectCommand(REPORT));
    expect(cloud.requests).toHaveLength(1);
    const { AccessKeyId, SecretAccessKey, Token } = await readKeys(second);
    expect(keys).toMatchObject({ AccessKeyId, SecretAccessKey, Token });
  });

  it('keeps the consumers of a pod apart: keys, sockets and deliveries', async () => {
    const cloud = await startCloud();
    const running = await startForTest(cloud.origin);
    const keys = await readKeys(running);
    const helperKeys = await readKeys(running, '/v1/credentials', 'helper');
    expect(helperKeys.AccessKeyId).not.toBe(keys.AccessKeyId);
    const { host } = new URL(getEndpoint(running));
    const callOver = (consumer: string): Promise<string> =>
      sendRaw(
        { path: join(running.folder, consumer, 'gateway') },
        [
          'GET /acme-data/reports/a HTTP/1.1',
          `Host: ${host}`,
          `Authorization: AWS4-HMAC-SHA256 Credential=${keys.AccessKeyId}/20260101/${REGION}/s3/aws4_request, SignedHeaders=host, Signature=${'0'.repeat(64)}`,
          'Connection: close',
          '',
          '',
        ].join('\r\n'),
      );
    expect(await callOver('helper')).toContain('x-valetkey-code: run_unknown');
    expect(await callOver('agent')).toContain('expected a header x-amz-date');
    const legacy = await readKeys(running, '/v1/credentials', 'legacy');
    expect(legacy.AccessKeyId).toMatch(/^ASIACLOUD/);
    expect(existsSync(join(running.folder, 'legacy', 'gateway'))).toBe(false);
    expect(existsSync(join(running.folder, 'legacy', 'seed'))).toBe(false);
    expect(cloud.requests).toEqual([]);
  });

  it('binds a run with params to its own keys, which end with it', async () => {
    const cloud = await startCloud();
    const running = await startForTest(cloud.origin);
    const to = buildLoopbackRequest(running);
    const startRun = async (customer: string) => {
      const answer = await sendRequest({
        ...to,
        method: 'POST',
        path: '/v1/tasks/customer/runs',
        headers: { ...to.headers, 'Content-Type': 'application/json' },
        body: JSON.stringify({ params: { customer } }),
      });
      expect(answer.status).toBe(201);
      for (const secret of CLOUD_SECRETS) expect(answer.text).not.toContain(secret);
      return JSON.parse(answer.text) as { run: string; expiresAt: string; credentials: Keys };
    };
    const acme = await startRun('acme');
    const other = await startRun('other');
    expect(acme.credentials.Expiration).toBe(acme.expiresAt);
    expect(other.credentials.AccessKeyId).not.toBe(acme.credentials.AccessKeyId);
    const client = createClient(getEndpoint(running), acme.credentials);
    const get = (Key: string) => client.send(new GetObjectCommand({ Bucket: 'acme-data', Key }));
    await get('customers/acme/a');
    expect(await catchError(get('customers/other/a'))).toMatchObject({ name: 'AccessDenied' });
    await sendRequest({ ...to, method: 'DELETE', path: `/v1/runs/${acme.run}` });
    expect(await catchError(get('customers/acme/a'))).toMatchObject({
      name: 'InvalidClientTokenId',
    });
    expect(cloud.requests).toHaveLength(1);
  });

  it('starts another run after the cloud said that the keys have expired', async () => {
    let isExpired = true;
    const cloud = await startCloud(() =>
      isExpired
        ? {
            status: 400,
            body: '<Error><Code>ExpiredToken</Code><Message>expired</Message></Error>',
          }
        : {},
    );
    const running = await startForTest(cloud.origin);
    const client = await createAgent(running);
    const get = () => client.send(new GetObjectCommand(REPORT));
    expect(await catchError(get())).toMatchObject({ name: 'ExpiredToken' });
    isExpired = false;
    await get();
    const [first, second] = cloud.requests.map(
      ({ headers }) => /ASIACLOUD\d+/.exec(headers.authorization ?? '')?.[0],
    );
    expect(second).not.toBe(first);
    expect(running.lines.join()).toContain('"reason":"expired"');
  });

  it('cuts calls at shutdown, and refuses others until it has ended', async () => {
    let onRequest = (): void => undefined;
    const arrived = new Promise<void>((resolve) => (onRequest = resolve));
    const cloud = await startCloud(undefined, onRequest);
    const running = await startForTest(cloud.origin);
    const client = await createAgent(running);
    const waiting = catchError(client.send(new GetObjectCommand(REPORT)));
    await arrived;
    await running.stop();
    expect((await waiting)['name']).toMatch(/ExpiredToken|TimeoutError|Error/);
    expect(running.lines.join()).toContain('"reason":"terminated"');
  });

  it('does not start, and publishes no token, while another process holds its port', async () => {
    const squatter = createServer();
    await new Promise<void>((resolve) => squatter.listen(0, '127.0.0.1', resolve));
    closers.push(() => squatter.close());
    const { port } = squatter.address() as { port: number };
    const pod = createPodFolder(tasks);
    closers.push(pod.remove);
    const starting = startForTest('http://10.0.0.1', {
      pod,
      environment: { VALETKEY_GATEWAY_LISTEN: `127.0.0.1:${port}` },
    });
    await expect(starting).rejects.toThrow(
      `VALETKEY_GATEWAY_LISTEN: cannot listen on 127.0.0.1:${port} (EADDRINUSE`,
    );
    expect(existsSync(join(pod.folder, 'agent', 'token'))).toBe(false);
  });

  it('counts its calls, without keys in the metrics', async () => {
    const cloud = await startCloud();
    const running = await startForTest(cloud.origin);
    const client = await createAgent(running);
    await client.send(new GetObjectCommand(REPORT));
    await catchError(client.send(new GetObjectCommand({ Bucket: 'other', Key: 'a' })));
    const { text } = await sendRequest({
      ...{ port: running.telemetryPort, path: '/metrics' },
      headers: { Accept: PROMETHEUS_ACCEPT },
    });
    const [run] = listExemplars(text, 'valetkey_sidecar_exchange_duration_seconds');
    expect(run).toEqual({ run_id: expect.stringMatching(/^run-\d+$/) as unknown });
    for (const name of ['call_duration', 'call_overhead']) {
      const runs = listExemplars(text, `valetkey_sidecar_${name}_seconds`);
      expect(runs.length).toBeGreaterThan(0);
      for (const labels of runs) expect(labels).toEqual(run);
    }
    expect(text).toContain(
      'valetkey_sidecar_calls_total{task="summarize",outcome="allowed",code="none"} 1',
    );
    expect(text).toContain(
      'valetkey_sidecar_calls_total{task="summarize",outcome="refused",code="resource_outside"} 1',
    );
    expect(text).toContain('valetkey_sidecar_calls_in_flight 0');
    expect(text).toContain('valetkey_sidecar_upstream_connections 1');
    expect(text).not.toContain('VALETKEY');
  });
});

describe('the listener of the gateway', () => {
  const startListener = async () => {
    const cloud = await startCloud();
    const running = await startForTest(cloud.origin);
    const { gatewayPort: port = 0 } = running;
    const send = (...lines: string[]): Promise<string> =>
      sendRaw({ port }, [...lines, '', ''].join('\r\n').replaceAll('HOST', `127.0.0.1:${port}`));
    return { running, send, cloud };
  };

  it.each([
    [
      'a request of no route',
      ['GET /t/sum.marize/v1 HTTP/1.1', 'Host: HOST'],
      404,
      'route_unknown',
    ],
    [
      'a request of a route without the token of a container',
      ['GET /t/summarize/v1 HTTP/1.1', 'Host: HOST'],
      401,
      'key_required',
    ],
    [
      'an unsigned call of S3, which must not look like an object that does not exist',
      ['HEAD /acme-data/reports/a HTTP/1.1', 'Host: HOST'],
      403,
      'signature_missing',
    ],
    [
      'another scheme',
      ['GET / HTTP/1.1', 'Host: HOST', 'Authorization: Bearer x'],
      403,
      'signature_missing',
    ],
    [
      'a presigned URL',
      ['GET /b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256 HTTP/1.1', 'Host: HOST'],
      403,
      'presigned',
    ],
    [
      'a header of a browser',
      ['GET / HTTP/1.1', 'Host: HOST', 'Origin: http://evil.example'],
      403,
      'not_local',
    ],
    [
      'a header of a proxy',
      ['GET / HTTP/1.1', 'Host: HOST', 'X-Forwarded-For: 10.0.0.1'],
      403,
      'not_local',
    ],
    [
      'WebSocket',
      ['GET / HTTP/1.1', 'Host: HOST', 'Upgrade: websocket'],
      501,
      'upgrade_unsupported',
    ],
    ['another Host', ['GET / HTTP/1.1', 'Host: evil.example'], 400, 'request_malformed'],
  ])('refuses %s', async (_, lines, status, code) => {
    const { send, cloud } = await startListener();
    const answer = await send(...lines, 'Connection: close');
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(answer).toContain(`x-valetkey-code: ${code}`);
    expect(cloud.requests).toEqual([]);
  });

  it('answers a request that asks for h2c as HTTP/1.1, its body included', async () => {
    const { send } = await startListener();
    const answer = await send(
      'PUT /b/k HTTP/1.1',
      'Host: HOST',
      'Connection: Upgrade, HTTP2-Settings, close',
      'Upgrade: h2c',
      'HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA',
      'Content-Length: 4',
      '',
      'body',
    );
    expect(answer).toMatch(/^HTTP\/1\.1 403 /);
    expect(answer.match(/HTTP\/1\.1/g)).toHaveLength(1);
  });

  it('refuses a head of more than 32 KiB, and accepts one of 30', async () => {
    const { send } = await startListener();
    const build = (kib: number) => [
      'GET / HTTP/1.1',
      'Host: HOST',
      `X-Large: ${'a'.repeat(kib * 1024)}`,
      'Connection: close',
    ];
    expect(await send(...build(33))).toMatch(/^HTTP\/1\.1 431 /);
    expect(await send(...build(30))).toMatch(/^HTTP\/1\.1 403 /);
  });
});

type CallJournalLine = Readonly<Record<string, unknown>>;
type Write = NonNullable<StartOptions['write']>;

/** Standard output and an authority, as far as the journal of calls needs them. */
const createJournalReaders = () => {
  const text: string[] = [];
  const reports: CallReport[] = [];
  const events: string[] = [];
  const write: Write = (line, done) => {
    text.push(line);
    done();
  };
  const createSource = (): CredentialSource => ({
    exchange: issueRun,
    authority: createTestSubscriber({
      reportCalls: (report) => {
        events.push('report');
        reports.push(report);
      },
      shutdown: () => Promise.resolve(void events.push('shutdown')),
    }),
  });
  return {
    options: { write, createSource },
    ...{ reports, events },
    readLines: () => text.map((line) => JSON.parse(line) as CallJournalLine),
    verify: () => {
      const heads = reports.map(({ run, calls }, index) => ({
        ...{ file: 'audit', line: index + 1, run, to: calls.to, hash: calls.hash },
      }));
      return verifyCalls([createAuditFile(text.join(''))], { heads });
    },
  };
};

describe('the journal of calls', () => {
  it('has a line for each call in the chain of its run, whose head the authority gets', async () => {
    const cloud = await startCloud();
    const journal = createJournalReaders();
    const running = await startForTest(cloud.origin, journal.options);
    const client = await createAgent(running);
    const { Body } = await client.send(new GetObjectCommand(REPORT));
    await Body?.transformToString();
    await catchError(client.send(new GetObjectCommand({ ...REPORT, Key: 'secrets/a' })));
    await running.stop();
    const of = { kind: 'call', consumer: 'agent', task: 'summarize', operation: 's3.GetObject' };
    expect(journal.readLines()).toEqual([
      expect.objectContaining({
        ...{ ...of, outcome: 'allowed', status: 200, seq: 0, resolved: true },
        ...{ actions: ['s3:GetObject'], resources: [`${DATA}/reports/a`] },
      }),
      expect.objectContaining({
        ...{ ...of, outcome: 'refused', status: 403, seq: 1, code: 'resource_outside' },
        resources: [`${DATA}/secrets/a`],
      }),
    ]);
    expect(journal.reports).toEqual([
      {
        run: journal.readLines()[0]?.['run'],
        calls: expect.objectContaining({
          ...{ from: 0, to: 1, counts: { allowed: 1, refused: 1, failed: 0, cut: 0 } },
          refusals: [expect.objectContaining({ code: 'resource_outside', action: 's3:GetObject' })],
        }),
      },
    ]);
    const { faultCount, unverified } = await journal.verify();
    expect({ faultCount, unverified }).toEqual({ faultCount: 0, unverified: [] });
  });

  it('has the calls that a shutdown cuts, in the head that is sent before the authority is left', async () => {
    let onData = (): void => undefined;
    const arrived = new Promise<void>((resolve) => (onData = resolve));
    const cloud = await startCloud(undefined, (incoming) => void incoming.once('data', onData));
    const journal = createJournalReaders();
    const running = await startForTest(cloud.origin, journal.options);
    const client = await createAgent(running);
    const endless = createEndless();
    const failed = catchError(
      client.send(new PutObjectCommand({ ...REPORT, Body: endless, ContentLength: 1024 ** 4 })),
    );
    await arrived;
    await running.stop();
    await failed;
    endless.destroy();
    expect(journal.readLines()).toEqual([
      expect.objectContaining({ operation: 's3.PutObject', outcome: 'cut', code: 'run_ended' }),
    ]);
    expect(journal.reports[0]?.calls.counts).toMatchObject({ cut: 1 });
    expect(journal.events).toEqual(['report', 'shutdown']);
  });

  it('is what calls are refused without: nothing reaches the cloud while the log takes no line', async () => {
    const cloud = await startCloud();
    let isRead = true;
    const running = await startForTest(cloud.origin, {
      write: (_, done) => done(isRead ? undefined : new Error('EPIPE')),
    });
    const client = await createAgent(running);
    const get = async () => (await client.send(new GetObjectCommand(REPORT))).Body;
    await (await get())?.transformToString();
    isRead = false;
    await (await get())?.transformToString();
    expect(cloud.requests).toHaveLength(2);
    expect(await catchError(get())).toMatchObject({
      name: 'ServiceUnavailable',
      message: expect.stringContaining('(audit_unavailable)'),
    });
    expect(cloud.requests).toHaveLength(2);
    const metrics = await sendRequest({ port: running.telemetryPort, path: '/metrics' });
    expect(metrics.text).toContain('valetkey_sidecar_journal_blocked 1');
  });

  it('is the same without an authority, but for the heads', async () => {
    const cloud = await startCloud();
    const lines: string[] = [];
    const running = await startForTest(cloud.origin, {
      write: (line, done) => {
        lines.push(line);
        done();
      },
    });
    const client = await createAgent(running);
    const { Body } = await client.send(new GetObjectCommand(REPORT));
    await Body?.transformToString();
    await running.stop();
    const { faultCount, runs } = await verifyCalls([createAuditFile(lines.join(''))], {
      heads: [],
    });
    expect({ faultCount, runs }).toEqual({
      faultCount: 0,
      runs: [expect.objectContaining({ lines: 1, first: 0, last: 0 })],
    });
  });
});
