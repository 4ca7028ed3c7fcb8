import { createServer, type AddressInfo } from 'node:net';

import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';

import type { IssuedRun } from '../../lib/contract/exchange.ts';
import type { Task } from '../../lib/contract/task.ts';
import { createAuthorityExchange } from '../../lib/edge/authority/authority-exchange.ts';
import { startHttpsServer } from '../../test/kit/https-server.ts';
import { createConnection } from '../../lib/edge/authority/connection.ts';
import { waitUntil } from '../../test/kit/retry.ts';
import {
  PATHS,
  buildLivePod,
  buildPlatformText,
  buildTask,
  putPolicy,
  startAuthorityHarness,
  type AuthorityHarness,
} from './fixtures/authority-harness.ts';

jest.setTimeout(60_000);

let harness: AuthorityHarness;
beforeEach(async () => {
  harness = await startAuthorityHarness();
});
afterEach(() => harness.close());

const KEY = 'sk-real-0123456789abcdef';
const ORIGIN = 'https://api.example.com';
const SECRET = '/api/v1/namespaces/valetkey-upstreams/secrets/model-key';

const chat = buildTask({
  name: 'chat',
  provider: 'http',
  delivery: 'sign',
  client: 'openai',
  role: 'model-api',
  containers: ['agent', 'helper'],
  allow: [{ actions: ['http:POST'], resources: [`${ORIGIN}/v1/chat/*`] }],
}) as unknown as Task;

const putUpstream = (spec: object = {}, name = 'model-api'): void => {
  harness.api.put(`${PATHS.upstreams}/${name}`, {
    metadata: { name, uid: `uid-${name}` },
    spec: {
      url: ORIGIN,
      present: { header: { name: 'authorization', template: 'Bearer {secret}' } },
      secret: { kubernetes: { name: 'model-key', key: 'token' } },
      ...spec,
    },
  });
};

const putSecret = (origins = ORIGIN, text = KEY): void => {
  harness.api.put(SECRET, {
    metadata: { name: 'model-key', annotations: { 'valetkey.dev/origins': origins } },
    data: { token: Buffer.from(text).toString('base64') },
  });
};

/** The client of the sidecar, against a real authority. */
const connectSidecar = async (
  environment: Record<string, string> = {},
  { allowsLoopback = true } = {},
) => {
  harness.api.put(PATHS.pod, buildLivePod({ consumers: ['agent', 'helper'], tasks: [chat] }));
  const platform = buildPlatformText(harness.sts.port).replaceAll(
    /https:\/\/valetkey-authority[^\n]*/g,
    'https://localhost',
  );
  const namespace = { VALETKEY_SECRETS_NAMESPACE: 'valetkey-upstreams' };
  const config = harness.configure({ ...namespace, ...environment }, platform);
  const replica = await harness.start(config, {}, allowsLoopback);
  await replica.waitUntilReady();
  const bundle = harness.api.get(PATHS.trustBundle)?.['data'] as Record<string, string>;
  const endpoint = `https://localhost:${replica.authority.ports().https}`;
  const connection = createConnection({ endpoint, roots: bundle['ca-bundle.pem'] ?? '' });
  const token = await harness.podToken();
  const exchange = createAuthorityExchange({
    connection,
    readToken: () => token,
    clock: { now: Date.now, monotonic: () => performance.now() },
    random: () => 0,
    pause: () => Promise.resolve(),
    reportSkew: () => undefined,
    onContact: () => undefined,
  });
  const request = { consumer: 'agent', task: chat, params: {} };
  /** Rejects with the first error, except while the authority has not listed the Upstreams yet. */
  return () =>
    new Promise<IssuedRun>((resolve, reject) => {
      const abort = new AbortController();
      exchange(request, abort.signal, (error) => {
        if (error.code === 'upstreams_unavailable') return;
        reject(error);
        abort.abort();
      }).then(resolve, reject);
    });
};

describe('a run of a task of provider http', () => {
  it('gets the headers that present the secret, the rules of the Upstream, and no grant', async () => {
    putUpstream({ maxBody: '1Mi' });
    putSecret();
    const before = harness.sts.calls.length;
    const issued = await (await connectSidecar())();
    expect(issued).toMatchObject({
      secret: {
        kind: 'http',
        headers: { authorization: `Bearer ${KEY}` },
        echoes: [KEY],
        upstream: { name: 'model-api', url: ORIGIN, maxBodyBytes: 1_048_576, allowHttp: false },
      },
    });
    expect(issued.deadline).toBeGreaterThan(Date.now() + 590_000);
    expect(harness.sts.calls).toHaveLength(before);
  });

  it('is recorded before and after it is issued, without the secret', async () => {
    putUpstream();
    putSecret();
    const { run } = await (await connectSidecar())();
    const kinds = harness
      .records()
      .filter((record) => JSON.stringify(record).includes(run))
      .map(({ unmapped }) => unmapped.kind);
    expect(kinds).toEqual(['run.intent', 'run.issued']);
    expect(JSON.stringify([harness.records(), harness.lines])).not.toContain(KEY);
  });

  it('reads the secret of now at each run', async () => {
    putUpstream();
    putSecret();
    const exchange = await connectSidecar();
    await exchange();
    putSecret(ORIGIN, 'sk-next-0123456789abcdef');
    expect(await exchange()).toMatchObject({ secret: { echoes: ['sk-next-0123456789abcdef'] } });
  });

  it.each([
    ['no Upstream', () => putSecret(), 'upstream_unknown'],
    [
      'an Upstream of another URL',
      () => {
        putUpstream({ url: 'https://other.example.com' });
        putSecret('https://other.example.com');
      },
      'upstream_unknown',
    ],
    ['an Upstream that is not valid', () => putUpstream({ url: 'ftp://x' }), 'upstream_unknown'],
    ['no Secret', () => putUpstream(), 'secret_unavailable'],
    [
      'a Secret for another origin',
      () => {
        putUpstream();
        putSecret('https://other.example.com');
      },
      'secret_origin_mismatch',
    ],
    [
      'a Secret with a line break',
      () => {
        putUpstream();
        putSecret(ORIGIN, `${KEY}\n`);
      },
      'secret_invalid',
    ],
  ])('is refused with %s', async (_what, prepare, code) => {
    prepare();
    const exchange = await connectSidecar();
    await expect(exchange()).rejects.toMatchObject({ code });
    expect(JSON.stringify([harness.records(), harness.lines])).not.toContain(KEY);
  });

  it('is refused if the chart names no namespace of Secrets, and no Secret is read', async () => {
    putUpstream();
    putSecret();
    const exchange = await connectSidecar({ VALETKEY_SECRETS_NAMESPACE: '' });
    await expect(exchange()).rejects.toMatchObject({ code: 'secret_unavailable' });
    expect(harness.api.requests).not.toContain(`GET ${SECRET}`);
  });

  it('is refused if the server of its secret has an address of the pod, which is not called', async () => {
    const calls: unknown[] = [];
    const server = await startHttpsServer(() => (request, response) => {
      calls.push(request.url);
      response.end();
    });
    const { origin: address, caBundle } = server;
    putUpstream({ secret: { vault: { address, mount: 'jwt', role: 'agents', caBundle } } });
    const exchange = await connectSidecar({}, { allowsLoopback: false });
    await expect(exchange()).rejects.toMatchObject({ code: 'provider_refused' });
    await server.close();
    expect(calls).toEqual([]);
  });

  it('is evaluated by policy with the levels of its Upstream, before the secret is read', async () => {
    putPolicy(
      harness.api,
      '@id("reads") permit (principal, action, resource) when { context.accessLevels == ["Read"] };',
    );
    putUpstream({ levels: [{ method: 'POST', path: '/v1/chat/*', level: 'Read' }] });
    putSecret();
    const exchange = await connectSidecar();
    await exchange();
    const countReads = () =>
      harness.api.requests.filter((request) => request === `GET ${SECRET}`).length;
    putPolicy(harness.api, '@id("stop") forbid (principal, action, resource);', 'stop');
    await expect(
      (async () => {
        for (;;) await exchange();
      })(),
    ).rejects.toMatchObject({ code: 'policy_denied' });
    const reads = countReads();
    await expect(exchange()).rejects.toMatchObject({ code: 'policy_denied' });
    expect(countReads()).toBe(reads);
  });
});

describe('a database', () => {
  it('is not called if it has an address of the pod', async () => {
    let connections = 0;
    const server = createServer((socket) => {
      connections += 1;
      socket.destroy();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const templates = [{ role: 'app', level: 'Write' }];
    const admin = { name: 'model-key', key: 'token' };
    harness.api.put(`${PATHS.upstreams}/reports`, {
      metadata: { name: 'reports', uid: 'uid-reports' },
      spec: { postgres: { host: 'localhost', port, admin, templates } },
    });
    putSecret(`postgres://localhost:${port}`, `valetkey:${'p'.repeat(20)}`);
    await connectSidecar({}, { allowsLoopback: false });
    await waitUntil(() =>
      harness.api.requests.includes(`GET ${PATHS.upstreams}`) ? true : undefined,
    );
    let count = 0;
    // A Revocation starts a pass through the roles of all databases.
    const failure = await waitUntil(() => {
      const name = `stop-${(count += 1)}`;
      harness.api.put(`${PATHS.revocations}/${name}`, {
        metadata: { name, uid: name, creationTimestamp: '2026-01-01T00:00:00Z' },
        spec: { namespace: 'other', reason: 'incident', by: 'ada' },
      });
      return harness.lines.find(({ message }) => message === 'roles of ended runs not dropped');
    });
    server.close();
    expect({ failure, connections }).toMatchObject({
      ...{ failure: expect.anything(), connections: 0 },
    });
    expect(harness.api.requests).toContain(`GET ${SECRET}`);
  });
});
