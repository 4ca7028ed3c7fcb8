import { createHash, generateKeyPairSync } from 'node:crypto';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json, text as readText } from 'node:stream/consumers';

import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { createLocalJWKSet, exportJWK, jwtVerify, type JSONWebKeySet } from 'jose';
import Provider from 'oidc-provider';
import OpenAI from 'openai';

import { PATHS } from '../../cmd/authority/fixtures/authority-harness.ts';
import { startGitHubApi } from '../kit/github-api.ts';
import { startHttpsServer, type HttpsServer } from '../kit/https-server.ts';
import { waitUntil } from '../kit/retry.ts';
import { putSecret, putUpstream, startCallThrough, type CallThrough } from './call-through.ts';

jest.setTimeout(60_000);

// Node's own function returns objects that the library, inside Jest, does not take for plain ones.
globalThis.structuredClone = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const listen = async (listener: RequestListener): Promise<string> => {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};

/** An API that answers with the SHA-256 of the key it got: no answer may hold the key itself. */
const startApi = async () => {
  const keys: string[] = [];
  const origin = await listen((incoming, outgoing) => {
    const key = (incoming.headers.authorization ?? '').replace('Bearer ', '');
    keys.push(key);
    void readText(incoming).then((body) => {
      if ((JSON.parse(body || '{}') as { stream?: boolean }).stream !== true) {
        outgoing.writeHead(200, { 'content-type': 'application/json' });
        outgoing.end(JSON.stringify({ choices: [{ message: { content: digest(key) } }] }));
        return;
      }
      outgoing.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const content of ['one', 'two']) {
        outgoing.write(`data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\n`);
      }
      outgoing.end('data: [DONE]\n\n');
    });
  });
  return { keys, origin };
};

const digest = (key: string): string => createHash('sha256').update(key).digest('hex');

const begin = async (...args: Parameters<typeof startCallThrough>): Promise<CallThrough> => {
  const running = await startCallThrough(...args);
  closers.push(running.close);
  return running;
};

const serve = async (...args: Parameters<typeof startHttpsServer>): Promise<HttpsServer> => {
  const server = await startHttpsServer(...args);
  closers.push(server.close);
  return server;
};

const toTask = (origin: string) => ({
  allow: [{ actions: ['http:GET', 'http:POST'], resources: [`${origin}/v1/*`] }],
});

/** The secret, as it is and as it may be encoded. */
const listForms = (secret: string): readonly string[] => [
  secret,
  Buffer.from(secret).toString('base64').replaceAll('=', '').slice(0, -1),
  Buffer.from(secret).toString('hex'),
];

const expectNoTrace = async (
  { listTraces }: CallThrough,
  secrets: readonly string[],
): Promise<void> => {
  for (const [where, text] of Object.entries(await listTraces())) {
    const found = secrets.flatMap(listForms).filter((form) => text.includes(form));
    expect({ where, found: found.length }).toEqual({ where, found: 0 });
  }
};

const KEY = 'sk-canary-0123456789abcdefghij';

describe('a static key of a Kubernetes Secret', () => {
  it('is presented for an unmodified openai client, streams included, and leaves no trace', async () => {
    const { origin, keys } = await startApi();
    const running = await begin((harness) => {
      putUpstream(harness, {
        url: origin,
        secret: { kubernetes: { name: 'model-key', key: 'token' } },
      });
      putSecret(harness, { name: 'model-key', origins: origin, data: { token: KEY } });
    }, toTask(origin));
    const client = new OpenAI({ baseURL: `${running.baseUrl}/v1`, apiKey: running.apiKey });
    const messages = [{ role: 'user', content: 'hi' }] as const;
    const request = { model: 'm', messages: [...messages] };
    const whole = await client.chat.completions.create(request);
    expect(whole.choices[0]?.message.content).toBe(digest(KEY));
    const parts: unknown[] = [];
    for await (const { choices } of await client.chat.completions.create({
      ...request,
      stream: true,
    }))
      parts.push(choices[0]?.delta.content);
    expect(parts).toEqual(['one', 'two']);
    expect(keys).toEqual([KEY, KEY]);
    expect((await running.call('/v2/models')).status).toBe(403);
    await running.stopSidecar();
    await expectNoTrace(running, [KEY]);
    expect((await running.listTraces())['journal']).toContain('path_outside');
  });

  it('is read again for the run after the one whose answer held it, which ends at once', async () => {
    const origin = await listen((_, outgoing) => outgoing.end(`your key is ${KEY}`));
    const running = await begin((harness) => {
      putUpstream(harness, {
        url: origin,
        secret: { kubernetes: { name: 'model-key', key: 'token' } },
      });
      putSecret(harness, { name: 'model-key', origins: origin, data: { token: KEY } });
    }, toTask(origin));
    await running.call('/v1/echo').then(
      (response) => response.text().catch(() => undefined),
      () => undefined,
    );
    await running.stopSidecar();
    await expectNoTrace(running, [KEY]);
    expect((await running.listTraces())['journal']).toContain('secret_echoed');
    expect(await running.readMetrics()).toContain(
      'valetkey_authority_secrets_fetched_total{source="kubernetes",outcome="fetched"} 1',
    );
  });
});

const FAILED = 'secret.revocation_failed';

type VaultState = {
  /** Of all requests. */
  readonly tokens: string[];
  readonly logins: Record<string, unknown>[];
  readonly paths: string[];
  readonly live: Set<string>;
  readonly revoked: string[];
  /** Statuses of the next revocations, first to last. */
  readonly failures: number[];
};

/** The routes of Vault's API that a run uses; a real one is in the end-to-end tests. */
const startVaultStub = async () => {
  const live = new Set<string>();
  const state: VaultState = { tokens: [], logins: [], paths: [], live, revoked: [], failures: [] };
  const server = await serve(() => (incoming, outgoing) => {
    const token = String(incoming.headers['x-vault-token'] ?? '');
    state.tokens.push(token);
    const reply = (body: object, status = 200) =>
      outgoing.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    const path = (incoming.url ?? '').replace('/v1/', '');
    if (path === 'auth/jwt/login') {
      void json(incoming).then((body) => {
        const { jwt = '' } = body as { jwt?: string };
        state.logins.push(
          JSON.parse(
            Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString(),
          ) as object as never,
        );
        const issued = `hvs.${crypto.randomUUID()}`;
        state.live.add(issued);
        reply({ auth: { client_token: issued, token_type: 'service', lease_duration: 60 } });
      });
    } else if (!state.live.has(token)) reply({}, 403);
    else if (path === 'auth/token/revoke-self') {
      const status = state.failures.shift();
      if (status !== undefined) return void reply({}, status);
      state.live.delete(token);
      state.revoked.push(token);
      reply({});
    } else {
      state.paths.push(path);
      reply({ data: { data: { key: `key-at-${path}` }, metadata: {} } });
    }
  });
  return { ...state, origin: server.origin, caBundle: server.caBundle };
};

const startWithVault = async (
  members: { readonly path?: string; readonly field?: string } = {},
  buildTaskFor: (origin: string) => object = toTask,
) => {
  const vault = await startVaultStub();
  const api = await startApi();
  const { origin: address, caBundle } = vault;
  const source = { address, mount: 'jwt', role: 'agents', caBundle, ...members };
  const running = await begin(
    (harness) => putUpstream(harness, { url: api.origin, secret: { vault: source } }),
    { lifetimeSeconds: 60, ...buildTaskFor(api.origin) },
  );
  const isRevoked = (token: string) =>
    waitUntil(() => (vault.revoked.includes(token) ? true : undefined));
  return { vault, api, running, source, isRevoked };
};

/** A run for each customer. */
const toCustomerTask = (origin: string) => ({
  params: { customer: { pattern: '[a-z.]+', maxLength: 20 } },
  allow: [{ actions: ['http:GET'], resources: [`${origin}/v1/{customer}/*`] }],
});

describe('a Vault', () => {
  it('gives each run a token by a grant for it alone, which ends with the run', async () => {
    const { vault, api, running, isRevoked } = await startWithVault();
    expect((await running.call('/v1/models')).status).toBe(200);
    const [token = ''] = api.keys;
    expect(vault.live).toContain(token);
    expect(vault.logins).toEqual([
      {
        iss: expect.stringContaining('https://localhost'),
        aud: vault.origin,
        sub: 'spiffe://prod.example/ns/live/sa/agent/task/chat',
        jti: expect.stringMatching(/^[a-z2-7]{32}$/),
        iat: expect.any(Number),
        exp: expect.any(Number),
      },
    ]);
    await running.stopSidecar();
    await isRevoked(token);
    expect(vault.live).toEqual(new Set());
    await expectNoTrace(running, [token]);
    expect(await running.readMetrics()).toContain(
      'valetkey_authority_secrets_revoked_total{outcome="revoked"} 1',
    );
  });

  it('is asked again while it does not answer, and the token ends', async () => {
    const { vault, api, running, isRevoked } = await startWithVault();
    vault.failures.push(503, 500);
    await running.call('/v1/models');
    await running.stopSidecar();
    await isRevoked(api.keys[0] ?? '');
  });

  it('that refuses to revoke is recorded, counted and logged, without the token', async () => {
    const { vault, api, running } = await startWithVault();
    vault.failures.push(403);
    await running.call('/v1/models');
    await running.stopSidecar();
    const record = await waitUntil(() =>
      running.harness.records().find(({ unmapped }) => unmapped.kind === FAILED),
    );
    expect(record).toMatchObject({
      status_code: 'provider_refused',
      message: expect.stringMatching(/^upstream model-api: Vault role agents: .* answered 403$/),
    });
    expect(await running.readMetrics()).toContain(
      'valetkey_authority_secrets_revoked_total{outcome="failed"} 1',
    );
    await expectNoTrace(running, api.keys);
  });

  it('that the Upstream names since the run began gets no token of the one before', async () => {
    const { vault, api, running, source } = await startWithVault({}, toCustomerTask);
    const first = await running.startRun({ customer: 'acme' });
    await running.call(`${first.baseUrl}/v1/acme/models`);
    const [token = ''] = api.keys;
    const other = await startVaultStub();
    const { origin: address, caBundle } = other;
    putUpstream(running.harness, {
      url: api.origin,
      secret: { vault: { ...source, address, caBundle } },
    });
    await waitUntil(async () => {
      await running.endRun((await running.startRun({ customer: 'acme' })).run);
      return other.logins.length > 0 ? true : undefined;
    });
    await running.endRun(first.run);
    const record = await waitUntil(() =>
      running.harness.records().find(({ unmapped }) => unmapped.kind === FAILED),
    );
    expect(record['message']).toBe(
      `upstream model-api: expected it to exist and to name ${vault.origin}, as when the run began`,
    );
    expect(other.tokens).not.toContain(token);
  });

  it.each([
    ['acme', 'secret/data/acme/key'],
    ['globex', 'secret/data/globex/key'],
  ])('reads the path of the params of the run: %s', async (customer, path) => {
    const { vault, api, running } = await startWithVault(
      { path: 'secret/data/{customer}/key', field: 'key' },
      toCustomerTask,
    );
    const { baseUrl } = await running.startRun({ customer });
    expect((await running.call(`${baseUrl}/v1/${customer}/models`)).status).toBe(200);
    expect([vault.paths, api.keys]).toEqual([[path], [`key-at-${path}`]]);
  });

  it('reads no path that a param leads out of', async () => {
    const { vault, running } = await startWithVault(
      { path: 'secret/data/{customer}/key', field: 'key' },
      toCustomerTask,
    );
    const refused = await running.startRun({ customer: '..' });
    expect(JSON.stringify(refused)).toContain('expected another value than a dot segment');
    expect(vault.paths).toEqual([]);
    expect(vault.live).toEqual(new Set());
  });

  it('ends the token of a run that a human revokes', async () => {
    const { api, running, isRevoked } = await startWithVault();
    await running.call('/v1/models');
    running.harness.api.put(`${PATHS.revocations}/stop`, {
      metadata: { name: 'stop', uid: 'uid-stop', creationTimestamp: new Date().toISOString() },
      spec: { all: true, reason: 'leak', by: 'alice' },
    });
    await isRevoked(api.keys[0] ?? '');
    expect(
      running.harness.records().find(({ unmapped }) => unmapped.kind === 'run.ended'),
    ).toMatchObject({ status_code: 'revoked' });
  });
});

describe('an OAuth server', () => {
  const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const PEM = pair.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
  const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';

  /** A real one, which trusts the key of a client and the issuer of grants. */
  const startTokenServer = async (getJwks: () => Promise<JSONWebKeySet>) => {
    const jwk = { ...(await exportJWK(pair.publicKey)), alg: 'RS256', use: 'sig' };
    const revoked: string[] = [];
    const runs: unknown[] = [];
    const server = await serve((origin) => {
      const provider = new Provider(origin, {
        clients: [
          {
            client_id: 'valetkey',
            token_endpoint_auth_method: 'private_key_jwt',
            jwks: { keys: [jwk] },
            grant_types: ['client_credentials', EXCHANGE],
            redirect_uris: [],
            response_types: [],
          },
        ],
        scopes: ['read'],
        features: {
          clientCredentials: { enabled: true },
          revocation: { enabled: true },
          devInteractions: { enabled: false },
        },
      });
      provider.on('client_credentials.destroyed', ({ jti }) => revoked.push(jti));
      provider.registerGrantType(
        EXCHANGE,
        async (context) => {
          const keys = createLocalJWKSet(await getJwks());
          const { subject_token: grant = '' } = context.oidc.params;
          const { payload } = await jwtVerify(grant, keys, { audience: `${origin}/token` });
          runs.push([payload.sub, payload.jti]);
          const Token = provider.ClientCredentials;
          const issued = new Token({ client: context.oidc.client, scope: 'read' });
          context.body = {
            access_token: await issued.save(60),
            issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
            token_type: 'Bearer',
            expires_in: 60,
          };
        },
        ['subject_token', 'subject_token_type', 'requested_token_type'],
      );
      return provider.callback();
    });
    return { ...server, revoked, runs };
  };

  it.each(['clientCredentials', 'tokenExchange'])(
    'issues a token for each run by %s, and revokes it at the end',
    async (flow) => {
      const api = await startApi();
      // The server is asked only after both run.
      const started: { running?: CallThrough } = {};
      const server = await startTokenServer(
        async () => (await started.running?.readJwks()) ?? { keys: [] },
      );
      const running = await begin((harness) => {
        const { origin, caBundle } = server;
        const urls = { tokenUrl: `${origin}/token`, revocationUrl: `${origin}/token/revocation` };
        const key = { name: 'client', key: 'pem' };
        const client = { clientId: 'valetkey', auth: 'privateKeyJwt', key, flow };
        putUpstream(harness, {
          url: api.origin,
          secret: { oauth: { ...urls, ...client, scopes: ['read'], caBundle } },
        });
        putSecret(harness, { name: 'client', origins: origin, data: { pem: PEM } });
      }, toCustomerTask(api.origin));
      started.running = running;
      const one = await running.startRun({ customer: 'acme' });
      const other = await running.startRun({ customer: 'acme' });
      for (const { baseUrl } of [one, other]) await running.call(`${baseUrl}/v1/acme/models`);
      expect(new Set(api.keys).size).toBe(2);
      expect(await running.endRun(one.run)).toBe(204);
      await waitUntil(() => (server.revoked.length === 1 ? true : undefined));
      expect(api.keys[0]).toBe(server.revoked[0]);
      await running.stopSidecar();
      await waitUntil(() => (server.revoked.length === 2 ? true : undefined));
      if (flow === 'tokenExchange') {
        const subject = 'spiffe://prod.example/ns/live/sa/agent/task/chat';
        expect(server.runs).toEqual([
          [subject, one.run],
          [subject, other.run],
        ]);
      }
      await expectNoTrace(running, [...api.keys, PEM.slice(100, 160)]);
    },
  );
});

const GITHUB_TOKEN = 'ghs_0123456789abcdefghijkl';

describe('a GitHub App', () => {
  const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const PEM = pair.privateKey.export({ type: 'pkcs1', format: 'pem' }) as string;

  it.each([
    [['http:GET'], { contents: 'read' }],
    [['http:GET', 'http:POST'], { contents: 'write' }],
  ])(
    'gets a token of the repositories in allow for %j, which is deleted with the run',
    async (actions, permissions) => {
      const used: string[] = [];
      const server = await startGitHubApi({
        issue: () => ({ body: { token: GITHUB_TOKEN } }),
        serve: (incoming, outgoing) => {
          // The authority asks for the root without a token, to see whether the server answers.
          const token = (incoming.headers.authorization ?? '').replace('Bearer ', '');
          if (incoming.url !== '/') used.push(token);
          outgoing.end('{}');
        },
      });
      closers.push(server.close);
      const { origin, caBundle, received } = server;
      const running = await begin(
        (harness) => {
          putUpstream(harness, {
            ...{ url: origin, caBundle, allowHttp: false },
            secret: {
              githubApp: {
                ...{ appId: 7, installationId: 9, apiUrl: origin },
                privateKey: { name: 'app', key: 'pem' },
                permissions: { Read: { contents: 'read' }, Write: { contents: 'write' } },
              },
            },
          });
          putSecret(harness, { name: 'app', origins: origin, data: { pem: PEM } });
        },
        { allow: [{ actions, resources: [`${origin}/repos/acme/web/*`] }] },
      );
      expect((await running.call('/repos/acme/web/issues')).status).toBe(200);
      expect(received.map(({ body }) => body)).toEqual([{ repositories: ['web'], permissions }]);
      expect(used).toEqual([GITHUB_TOKEN]);
      await running.stopSidecar();
      await waitUntil(() => (received.length === 2 ? true : undefined));
      expect(received[1]).toMatchObject({ method: 'DELETE', bearer: GITHUB_TOKEN });
      expect(server.differences).toEqual([]);
      await expectNoTrace(running, [...used, PEM.slice(100, 160)]);
    },
  );
});

describe('a source that fails', () => {
  it.each([
    ['does not answer', 'https://localhost:1', 'secret_unavailable'],
    ['refuses', undefined, 'provider_refused'],
  ])('and %s refuses the run with the name of the Upstream', async (_what, address, code) => {
    const api = await startApi();
    const vault = await serve(() => (_, outgoing) => outgoing.writeHead(400).end());
    const source = { address: address ?? vault.origin, caBundle: vault.caBundle };
    const running = await begin(
      (harness) =>
        putUpstream(harness, {
          url: api.origin,
          secret: { vault: { ...source, mount: 'jwt', role: 'agents' } },
        }),
      toCustomerTask(api.origin),
    );
    const refused = await running.startRun({ customer: 'acme' });
    expect(JSON.stringify(refused)).toMatch(new RegExp(`${code}|exchange_in_progress`));
    const record = await waitUntil(() =>
      running.harness.records().find((found) => found['status_code'] === code),
    );
    expect(record['message']).toMatch(/^upstream model-api: Vault role agents: /);
    expect(await running.readMetrics()).toContain(
      `valetkey_authority_secrets_fetched_total{source="vault",outcome="${code}"}`,
    );
    expect(api.keys).toEqual([]);
  });
});
