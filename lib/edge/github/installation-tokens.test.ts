import { generateKeyPairSync } from 'node:crypto';

import { afterEach, describe, expect, it } from '@jest/globals';
import { jwtVerify } from 'jose';

import { buildRepository, startGitHubApi, type GitHubApi } from '../../../test/kit/github-api.ts';
import { sendToEndpoint } from '../../../test/kit/https-server.ts';
import type { Mapping } from '../../schema/mapping.ts';
import type { SecretRequest } from '../../upstreams/secret-fetcher.ts';
import type { GitHubAppSource } from '../../upstreams/upstream.ts';
import { createInstallationTokens, listRepositories } from './installation-tokens.ts';

const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
/** PKCS #1, as GitHub issues keys. */
const PEM = pair.privateKey.export({ type: 'pkcs1', format: 'pem' }) as string;
const TOKEN = 'ghs_0123456789abcdefghijklmnopqrstuvwxyz';

let api: GitHubApi | undefined;
afterEach(async () => {
  expect(api?.differences ?? []).toEqual([]);
  await api?.close();
  api = undefined;
});

type Answer = { readonly status?: number; readonly body?: Mapping };

const startApi = async (answer: Answer = {}, removalStatus = 204) => {
  const { received, origin, caBundle } = (api = await startGitHubApi({
    issue: () => ({
      ...answer,
      // Another case than asked for: GitHub ignores case.
      body: { token: TOKEN, repositories: [buildRepository('Acme/web')], ...answer.body },
    }),
    removalStatus,
  }));
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
    send: sendToEndpoint,
  });
  const fetch = (changes: Partial<SecretRequest> = {}) =>
    tokens.fetch(source, {
      origin: 'https://github.com',
      level: 'Read',
      resources: ['git://github/acme/web#refs/heads/agent/*'],
      params: {},
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
        path: '/app/installations/9/access_tokens',
        version: '2022-11-28',
        body: { repositories: ['web'], permissions: { contents: 'read' } },
      },
    ]);
    const { payload, protectedHeader } = await jwtVerify(
      received[0]?.bearer ?? '',
      pair.publicKey,
      {
        issuer: '7',
      },
    );
    expect(protectedHeader.alg).toBe('RS256');
    expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBeLessThanOrEqual(600);
  });

  it('takes a token of the stateless format, which is longer', async () => {
    const token = `ghs_7_${'e30'.repeat(200)}.${'e30'.repeat(200)}.${'x'.repeat(342)}`;
    const { fetch } = await startApi({ body: { token } });
    expect(await fetch()).toEqual({ secret: token, revocation: token });
  });

  it('asks for the permissions of the highest level', async () => {
    const { received, fetch } = await startApi({ body: { permissions: { contents: 'write' } } });
    await fetch({ level: 'Write' });
    expect(received[0]?.body).toMatchObject({ permissions: { contents: 'write' } });
  });

  it('refuses a key that is no key as a fault of the secret, without showing it', async () => {
    const { source } = await startApi();
    const broken = createInstallationTokens({
      readKey: () => Promise.resolve({ text: '-----BEGIN topsecret' }),
      now: Date.now,
      send: sendToEndpoint,
    });
    const error: unknown = await broken
      .fetch(source, {
        ...{ origin: 'https://github.com', level: 'Read', params: {}, lifetimeSeconds: 60 },
        resources: ['git://github/acme/web'],
        signGrant: () => Promise.reject(new Error('GitHub gets no grant')),
      })
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'secret_invalid' });
    expect(String(error)).not.toContain('topsecret');
  });

  it('refuses resources with wildcards before it asks', async () => {
    const { received, fetch } = await startApi();
    await expect(fetch({ resources: ['git://github/acme/*'] })).rejects.toMatchObject({
      code: 'provider_refused',
    });
    expect(received).toEqual([]);
  });

  it.each([
    ['another repository', { repositories: [buildRepository('evil/web')] }],
    ['more repositories', { repositories: ['acme/web', 'acme/api'].map(buildRepository) }],
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
      path: '/installation/token',
      bearer: TOKEN,
    });
  });

  it.each([
    ['a line break', `${TOKEN}\r\nx: y`],
    ['too few characters', 'ghs_short'],
    ['too many characters', `ghs_${'x'.repeat(20_000)}`],
  ])('refuses a token with %s, and shows none of it', async (_, token) => {
    const { fetch } = await startApi({ body: { token } });
    const error: unknown = await fetch().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: 'SecretError', code: 'secret_invalid' });
    expect(String(error)).toMatch(/expected a token that a header can present$/);
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
    expect(received[0]).toMatchObject({ method: 'DELETE', path: '/installation/token' });
  });

  it('reports a token that could not be deleted, so that it is tried again', async () => {
    const { tokens, source } = await startApi({}, 503);
    await expect(
      tokens.revoke(source, TOKEN, () => Promise.reject(new Error())),
    ).rejects.toMatchObject({ code: 'secret_unavailable' });
  });
});
