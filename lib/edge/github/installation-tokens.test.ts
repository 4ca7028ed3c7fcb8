import { generateKeyPairSync } from 'node:crypto';

import { afterEach, describe, expect, it } from '@jest/globals';
import { jwtVerify } from 'jose';

import { startHttpsServer, type HttpsServer } from '../../../test/kit/https-server.ts';
import type { SecretRequest } from '../../upstreams/secret-fetcher.ts';
import type { GitHubAppSource } from '../../upstreams/upstream.ts';
import { createInstallationTokens, listRepositories } from './installation-tokens.ts';

const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
/** PKCS #1, as GitHub issues keys. */
const PEM = pair.privateKey.export({ type: 'pkcs1', format: 'pem' }) as string;
const TOKEN = 'ghs_0123456789abcdefghijklmnopqrstuvwxyz';

type Answer = { status?: number; body?: object };
type Received = {
  method: string;
  url: string;
  authorization: string;
  version: string;
  body: unknown;
};

let server: HttpsServer | undefined;
afterEach(() => server?.close());

/** Answers as GitHub's published description of the API says. */
const startApi = async (answer: Answer = {}, removal = 204) => {
  const received: Received[] = [];
  server = await startHttpsServer(() => (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString();
      const { method = '', url = '', headers } = request;
      received.push({
        method,
        url,
        authorization: headers.authorization ?? '',
        version: String(headers['x-github-api-version']),
        body: text === '' ? undefined : (JSON.parse(text) as unknown),
      });
      if (method === 'DELETE') return void response.writeHead(removal).end();
      const body = {
        token: TOKEN,
        expires_at: '2026-01-01T00:00:00Z',
        permissions: { contents: 'read', metadata: 'read' },
        repository_selection: 'selected',
        repositories: [{ id: 1, name: 'web', full_name: 'Acme/web' }],
        ...answer.body,
      };
      response.writeHead(answer.status ?? 201).end(JSON.stringify(body));
    });
  });
  const { origin, caBundle } = server;
  const source: GitHubAppSource = {
    appId: 7,
    installationId: 9,
    privateKey: { name: 'app', key: 'pem' },
    permissions: { Read: { contents: 'read' }, Write: { contents: 'write' } },
    apiUrl: origin,
  };
  const tokens = createInstallationTokens({
    readKey: () => Promise.resolve({ text: PEM }),
    now: Date.now,
    caBundle,
  });
  const fetch = (changes: Partial<SecretRequest> = {}) =>
    tokens.fetch(source, {
      origin: 'https://github.com',
      level: 'Read',
      resources: ['git://github/acme/web#refs/heads/agent/*'],
      lifetimeSeconds: 60,
      signGrant: () => Promise.reject(new Error('GitHub gets no grant')),
      ...changes,
    });
  return { received, tokens, source, fetch };
};

describe('listRepositories', () => {
  it.each([
    [['git://github/Acme/web', 'git://github/acme/Web.git#refs/heads/*'], ['acme/web']],
    [['https://api.github.com/repos/acme/web/issues/*'], ['acme/web']],
    [['https://ghe.example/api/v3/repos/acme/web'], ['acme/web']],
  ])('lists the repositories of %j', (resources, repositories) => {
    expect(listRepositories(resources)).toEqual({ repositories });
  });

  it.each([
    'git://github/acme/*',
    'git://github/*/web',
    'git://github/acme',
    'git://github/acme/we?',
    'https://api.github.com/*',
    'https://api.github.com/user',
    'https://api.github.com/repos/acme/web*',
    'https://api.github.com/repos/acme/{repo}',
  ])('names the resource %s, which is not one repository', (resource) => {
    expect(listRepositories(['git://github/acme/web', resource])).toEqual({ wide: resource });
  });
});

describe('createInstallationTokens', () => {
  it('asks for a token of the repositories and permissions of the run, as the App', async () => {
    const { received, fetch } = await startApi();
    expect(await fetch()).toEqual({ secret: TOKEN, revocation: TOKEN });
    expect(received).toMatchObject([
      {
        method: 'POST',
        url: '/app/installations/9/access_tokens',
        version: '2022-11-28',
        body: { repositories: ['web'], permissions: { contents: 'read' } },
      },
    ]);
    const assertion = received[0]?.authorization.replace('Bearer ', '') ?? '';
    const { payload, protectedHeader } = await jwtVerify(assertion, pair.publicKey, {
      issuer: '7',
    });
    expect(protectedHeader.alg).toBe('RS256');
    expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBeLessThanOrEqual(600);
  });

  it('asks for the permissions of the highest level', async () => {
    const { received, fetch } = await startApi({ body: { permissions: { contents: 'write' } } });
    await fetch({ level: 'Write' });
    expect(received[0]?.body).toMatchObject({ permissions: { contents: 'write' } });
  });

  it('refuses resources with wildcards before it asks', async () => {
    const { received, fetch } = await startApi();
    await expect(fetch({ resources: ['git://github/acme/*'] })).rejects.toMatchObject({
      code: 'provider_refused',
    });
    expect(received).toEqual([]);
  });

  it.each([
    ['another repository', { repositories: [{ full_name: 'evil/web' }] }],
    ['more repositories', { repositories: [{ full_name: 'acme/web' }, { full_name: 'acme/api' }] }],
    ['all repositories', { repositories: undefined, repository_selection: 'all' }],
    ['a wider permission', { permissions: { contents: 'write' } }],
    ['another permission', { permissions: { contents: 'read', administration: 'read' } }],
  ])('deletes a token for %s and refuses it', async (_, body) => {
    const { received, fetch } = await startApi({ body });
    const error: unknown = await fetch().catch((thrown: unknown) => thrown as Error);
    expect(error).toMatchObject({ code: 'provider_refused' });
    expect(String(error)).not.toContain(TOKEN);
    expect(received[1]).toMatchObject({
      method: 'DELETE',
      url: '/installation/token',
      authorization: `Bearer ${TOKEN}`,
    });
  });

  it.each([
    [401, 'provider_refused'],
    [404, 'provider_refused'],
    [422, 'provider_refused'],
    [429, 'secret_unavailable'],
    [503, 'secret_unavailable'],
  ])('reports the status %i as %s', async (status, code) => {
    const { fetch } = await startApi({ status });
    await expect(fetch()).rejects.toMatchObject({ code });
  });

  it.each([204, 401])('takes %i for the end of a token', async (status) => {
    const { tokens, source, received } = await startApi({}, status);
    await tokens.revoke(source, TOKEN, () => Promise.reject(new Error()));
    expect(received[0]).toMatchObject({ method: 'DELETE', url: '/installation/token' });
  });

  it('reports a token that could not be deleted, so that it is tried again', async () => {
    const { tokens, source } = await startApi({}, 503);
    await expect(
      tokens.revoke(source, TOKEN, () => Promise.reject(new Error())),
    ).rejects.toMatchObject({ code: 'secret_unavailable' });
  });
});
