import { createHash, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterEach, describe, expect, it } from '@jest/globals';

import type { DecideCall } from '../../lib/calls/gates.ts';
import type { Gate } from '../../lib/contract/authority-api.ts';
import { ExchangeError, type Exchange } from '../../lib/contract/exchange.ts';
import type { RunRegistry } from '../../lib/runs/run-registry.ts';
import { buildTask } from '../../lib/runs/fixtures/fake-exchange.ts';
import { waitUntil } from '../../test/kit/retry.ts';
import { createTestSubscriber } from './fixtures/test-subscriber.ts';
import { startRecordingCloud } from './fixtures/recording-cloud.ts';
import { sendRequest, startTestSidecar } from './fixtures/test-sidecar.ts';
import { watchPolicyChanges } from './policy-changes.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const REPORTS = 'arn:aws:s3:::acme-data/reports';
const task = buildTask({
  delivery: 'sign',
  default: true,
  allow: [{ actions: ['s3:GetObject', 's3:PutObject'], resources: [`${REPORTS}/*`] }],
});
const TICKET = 'vk1.claims.hmac';
const policies = ['all/finals'];
const CANARIES = ['arn:aws:s3:::acme-payroll/*', `${REPORTS}/canary`];
const GATES: readonly Gate[] = [
  { gate: 'deny', actions: ['s3:PutObject'], like: [`${REPORTS}/final/*`], policies },
  { gate: 'ask', actions: ['s3:PutObject'], like: [`${REPORTS}/drafts/*`], policies },
  { gate: 'canary', actions: ['*'], like: CANARIES, policies: [] },
];

type Asked = Parameters<DecideCall>[0];

/** Of the SDK, before it signs. */
type Step = (given: { request: { headers: Record<string, string> } }) => Promise<unknown>;

/** A sidecar whose runs have these gates, and an authority that answers calls so. */
const start = async (answer: (asked: Asked) => void = () => undefined) => {
  let failures = 0;
  const cloud = await startRecordingCloud(() => {
    if ((failures -= 1) >= 0) throw new Error('no answer');
    return {};
  });
  const asked: Asked[] = [];
  const exchange: Exchange = () =>
    Promise.resolve({
      run: 'run-1',
      credentials: { accessKeyId: 'ASIA1', secretAccessKey: 'cloud-secret', sessionToken: 't' },
      deadline: Date.now() + 600_000,
      skewMs: 0,
      oversight: { ticket: TICKET, gates: GATES, policyVersion: 'one' },
    });
  let registry: RunRegistry | undefined;
  const running = await startTestSidecar({
    tasks: [task],
    exchange,
    environment: {
      VALETKEY_GATEWAY: JSON.stringify({
        region: 'eu-central-1',
        dialect: 's3',
        allowHttp: true,
        endpoints: [{ service: 's3', url: cloud.origin }],
        maxBodyBytes: 8 * 1024 * 1024,
        bufferBytes: 32 * 1024 * 1024,
      }),
    },
    createSource: () => ({
      exchange,
      authority: createTestSubscriber({
        subscribe: (subscribed) => (registry = subscribed),
        decideCall: (given) => {
          asked.push(given);
          return Promise.resolve(given).then(answer);
        },
      }),
    }),
  });
  const authorization = readFileSync(join(running.folder, 'agent', 'token'), 'utf8');
  const { text } = await sendRequest({
    port: running.loopbackPort,
    path: '/v1/credentials',
    headers: { Authorization: authorization },
  });
  const keys = JSON.parse(text) as { AccessKeyId: string; SecretAccessKey: string; Token: string };
  const client = new S3Client({
    endpoint: `http://127.0.0.1:${running.gatewayPort}`,
    region: 'eu-central-1',
    credentials: {
      accessKeyId: keys.AccessKeyId,
      secretAccessKey: keys.SecretAccessKey,
      sessionToken: keys.Token,
    },
    forcePathStyle: true,
    maxAttempts: 1,
  });
  closers.push(cloud.close, running.remove, running.stop, () => client.destroy());
  const put = (Key: string, Body: string | Uint8Array = 'hello') =>
    client.send(new PutObjectCommand({ Bucket: 'acme-data', Key, Body }));
  /** A body whose hash is not signed, of a call that has this name. */
  const putUnsigned = async (Key: string, Body: string, invocation = randomUUID() as string) => {
    const command = new PutObjectCommand({ Bucket: 'acme-data', Key, Body });
    const change = (next: Step) => (given: Parameters<Step>[0]) => {
      const { headers } = given.request;
      headers['x-amz-content-sha256'] = 'UNSIGNED-PAYLOAD';
      headers['amz-sdk-invocation-id'] = invocation;
      return next(given);
    };
    command.middlewareStack.addRelativeTo(change as never, {
      ...{ relation: 'before', toMiddleware: 'httpSigningMiddleware' },
    });
    return client.send(command).then(
      () => 200,
      (error: unknown) =>
        (error as { $metadata: { httpStatusCode: number } }).$metadata.httpStatusCode,
    );
  };
  const failNext = (): number => (failures = 1);
  return {
    ...{ cloud, asked, client, put, putUnsigned, failNext, text },
    ...{ getRegistry: () => registry, telemetryPort: running.telemetryPort },
  };
};

const catchError = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => 'allowed',
    (error: unknown) => error,
  );

describe('a canary', () => {
  const get = (client: S3Client, Bucket: string, Key: string) =>
    catchError(client.send(new GetObjectCommand({ Bucket, Key })));

  it.each([
    ['outside of the task', 'acme-payroll', '2026.csv'],
    ['within the task', 'acme-data', 'reports/canary'],
  ])('%s is refused as any resource outside of it, and reported', async (_what, bucket, key) => {
    const { cloud, asked, client } = await start(() => {
      throw new ExchangeError('refused', 'call_denied', 'the call is outside of its task');
    });
    const resource = `arn:aws:s3:::${bucket}/${key}`;
    expect(await get(client, bucket, key)).toMatchObject({
      name: 'AccessDenied',
      message: expect.stringMatching(/is outside task .*\(resource_outside\)/),
    });
    expect(cloud.requests).toEqual([]);
    expect(asked).toMatchObject([
      { ticket: TICKET, call: { permissions: [{ action: 's3:GetObject', resource }] } },
    ]);
  });

  it('closes the gateway for further calls, also while the authority does not answer', async () => {
    const { cloud, asked, client } = await start(() => {
      throw new ExchangeError('unavailable', 'x', 'down');
    });
    await get(client, 'acme-payroll', '2026.csv');
    expect(await get(client, 'acme-data', 'reports/other')).toMatchObject({
      name: 'AccessDenied',
      message: expect.stringContaining('run_revoked'),
    });
    expect(cloud.requests).toEqual([]);
    await waitUntil(() => asked.length >= 2);
    expect(asked[1]).toMatchObject({ attempt: asked[0]?.attempt });
  });

  it('does not concern other calls, and is not in the metrics that containers can read', async () => {
    const { cloud, asked, client, telemetryPort } = await start();
    await get(client, 'acme-data', 'reports/other');
    expect([asked.length, cloud.requests.length]).toEqual([0, 1]);
    const { text } = await sendRequest({ port: telemetryPort, path: '/metrics' });
    expect(text).toContain('valetkey_sidecar_gates{gate="ask"} 1');
    expect(text).not.toContain('canary');
  });
});

describe('the gates of a run', () => {
  it('refuse a call at the gateway, without the authority or the cloud', async () => {
    const { cloud, asked, put } = await start();
    expect(await catchError(put('reports/final/a'))).toMatchObject({
      name: 'AccessDenied',
      message: expect.stringMatching(/all\/finals.*\(call_denied\)/),
    });
    expect([asked, cloud.requests]).toEqual([[], []]);
  });

  it('let all other calls pass without a request, and never show the ticket', async () => {
    const { cloud, asked, client, put, text } = await start();
    await put('reports/other');
    await client.send(new GetObjectCommand({ Bucket: 'acme-data', Key: 'reports/final/a' }));
    expect(asked).toEqual([]);
    expect(cloud.requests).toHaveLength(2);
    expect(JSON.stringify([text, cloud.requests])).not.toContain(TICKET);
  });

  it('ask the authority about a call, with what is known of it', async () => {
    const { cloud, asked, put } = await start();
    await put('reports/drafts/a');
    expect(cloud.requests).toHaveLength(1);
    expect(asked).toMatchObject([
      {
        ticket: TICKET,
        call: {
          operation: 's3:PutObject',
          permissions: [{ action: 's3:PutObject', resource: `${REPORTS}/drafts/a` }],
          bytes: 5,
        },
      },
    ]);
  });

  it('state the same hash for the same call, and another one for another body', async () => {
    const { cloud, asked, put } = await start();
    for (const body of ['hello', 'hello', 'hellO']) await put('reports/drafts/a', body);
    const hashes = asked.map(({ call }) => call.content?.sha256);
    expect(hashes[0]).toMatch(/^[0-9a-f]{64}$/);
    expect(hashes[1]).toBe(hashes[0]);
    expect(hashes[2]).not.toBe(hashes[0]);
    expect(asked[0]?.call.content?.fields.slice(0, 2)).toEqual([
      { name: 'origin', value: cloud.origin },
      { name: 'region', value: 'eu-central-1' },
    ]);
    expect(new Set(asked.map(({ attempt }) => attempt)).size).toBe(3);
  });

  it('read the body of a call whose hash was not signed only if people are asked about it', async () => {
    const { cloud, asked, putUnsigned } = await start(({ call }) => {
      if (call.content === undefined) {
        throw new ExchangeError('refused', 'approval_needs_hash', 'expected a hash');
      }
    });
    expect(await putUnsigned('reports/drafts/a', 'hello')).toBe(200);
    expect(asked.map(({ call }) => call.content?.fields)).toEqual([
      undefined,
      expect.arrayContaining([
        { name: 'SHA-256 of the body', value: createHash('sha256').update('hello').digest('hex') },
      ]),
    ]);
    expect(cloud.requests).toHaveLength(1);
    expect(cloud.requests[0]?.body.toString()).toBe('hello');
  });

  it('refuse a body that is too large for its hash, before any of it is read', async () => {
    const { cloud, asked, putUnsigned } = await start(() => {
      throw new ExchangeError('refused', 'approval_needs_hash', 'expected a hash');
    });
    expect(await putUnsigned('reports/drafts/a', 'x'.repeat(8 * 1024 * 1024 + 1))).toBe(403);
    expect([asked.length, cloud.requests]).toEqual([1, []]);
  });

  it('name a try as the one before it that got no answer, once', async () => {
    const { asked, putUnsigned, failNext } = await start(({ call }) => {
      if (call.content === undefined) {
        throw new ExchangeError('refused', 'approval_needs_hash', 'expected a hash');
      }
    });
    failNext();
    const statuses = [];
    for (let count = 0; count < 3; count += 1) {
      statuses.push(await putUnsigned('reports/drafts/a', 'hello', 'one'));
    }
    expect(statuses).toEqual([503, 200, 200]);
    const described = asked.filter(({ call }) => call.content !== undefined);
    const [first, second, third] = described.map(({ attempt }) => attempt);
    expect(second).toBe(first);
    expect(third).not.toBe(first);
  });

  it.each([
    ['the authority denies', 'refused', 'call_denied', 'call_denied', 'AccessDenied'],
    ['people have to approve', 'refused', 'approval_pending', 'approval_pending', 'AccessDenied'],
    [
      'a pod asks too often',
      'unavailable',
      'too_many_approvals',
      'too_many_approvals',
      'AccessDenied',
    ],
    ['the run was revoked', 'refused', 'revoked', 'run_revoked', 'AccessDenied'],
    [
      'the authority does not answer',
      'unavailable',
      'x',
      'authority_unreachable',
      'ServiceUnavailable',
    ],
    [
      'a replica has no such route',
      'refused',
      'route_unknown',
      'authority_unreachable',
      'ServiceUnavailable',
    ],
  ] as const)('refuse a call when %s', async (_, kind, code, refusal, name) => {
    const { cloud, put } = await start(() => {
      throw new ExchangeError(kind, code, 'why');
    });
    expect(await catchError(put('reports/drafts/a'))).toMatchObject({
      name,
      message: expect.stringContaining(`(${refusal})`),
    });
    expect(cloud.requests).toEqual([]);
  });

  it('refuse a call whose run was revoked while the authority was asked', async () => {
    const { cloud, put, getRegistry } = await start(() =>
      getRegistry()?.revoke([{ name: 'stop', reason: 'incident' }]),
    );
    expect(await catchError(put('reports/drafts/a'))).toMatchObject({
      message: expect.stringContaining('(run_revoked)'),
    });
    expect(cloud.requests).toEqual([]);
  });
});

describe('watchPolicyChanges', () => {
  /** One live run, and timers that the test runs. */
  const watch = async (redecide: Parameters<typeof watchPolicyChanges>[0]['redecide']) => {
    const { getRegistry, put, asked } = await start();
    const registry = getRegistry();
    if (registry === undefined) throw new Error('not subscribed');
    const timers: { ms: number; run: () => void }[] = [];
    const { onPolicies } = watchPolicyChanges(
      {
        redecide,
        log: { debug: () => 0, info: () => 0, warn: () => 0, error: () => 0 },
        schedule: (ms, run) => {
          timers.push({ ms, run });
          return () => undefined;
        },
        random: () => 0.5,
      },
      registry,
    );
    const fire = async (): Promise<void> => {
      timers.shift()?.run();
      for (let count = 0; count < 10; count += 1) await Promise.resolve();
    };
    return { registry, put, asked, timers, onPolicies, fire };
  };

  it('replaces the gates of live runs once, within 30 seconds after a change', async () => {
    const { put, asked, timers, onPolicies, fire } = await watch((ticket) => {
      expect(ticket).toBe(TICKET);
      return Promise.resolve({ gates: [], policy_version: 'two' });
    });
    onPolicies('one');
    expect(timers).toEqual([]);
    onPolicies('two');
    onPolicies('two');
    expect(timers.map(({ ms }) => ms)).toEqual([15_000]);
    await fire();
    expect(timers).toEqual([]);
    await put('reports/final/a');
    expect(asked).toEqual([]);
  });

  it('ends a run that changed policies deny, and says so', async () => {
    const { registry, put, timers, onPolicies, fire } = await watch(() =>
      Promise.reject(new ExchangeError('refused', 'policy_denied', 'forbidden by all/stop')),
    );
    onPolicies('two');
    await fire();
    expect(registry.findRevocationRefusal('agent', 'run-1')).toMatchObject({
      code: 'run_revoked',
      message: expect.stringMatching(/policy_changed.*all\/stop/),
    });
    expect(registry.listActive()).toEqual([]);
    expect(timers).toEqual([]);
    expect(put).toBeDefined();
  });

  it.each([
    ['unavailable', 'authority_unreachable'],
    ['refused', 'route_unknown'],
    ['refused', 'token_expired'],
  ] as const)('keeps the old gates and asks again when the answer is %s %s', async (kind, code) => {
    const { put, timers, onPolicies, fire } = await watch(() =>
      Promise.reject(new ExchangeError(kind, code, 'why')),
    );
    onPolicies('two');
    await fire();
    expect(timers.map(({ ms }) => ms)).toEqual([15_000]);
    expect(await catchError(put('reports/final/a'))).toMatchObject({
      message: expect.stringContaining('(call_denied)'),
    });
  });
});
