import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SignJWT } from 'jose';

import { waitUntil } from '../../test/kit/retry.ts';
import { createVaultSecrets } from '../../lib/edge/vault/vault-secrets.ts';
import type { SecretRequest } from '../../lib/upstreams/secret-fetcher.ts';
import type { VaultSource } from '../../lib/upstreams/upstream.ts';
import { sendToEndpoint } from '../../test/kit/https-server.ts';
import { startVault, trustIssuer, type VaultServer } from '../../test/kit/vault-server.ts';
import {
  putUpstream,
  readIssuer,
  startCallThrough,
  type CallThrough,
} from '../../test/secrets/call-through.ts';
import { buildPrograms } from '../cluster/programs.ts';

const ISSUER = 'https://issuer.example';
const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });

/** The grant of a run of an agent, for one server. */
const createGrant = (run: string, agent: string) => (audience: string) =>
  new SignJWT({ jti: run, sub: `spiffe://example/ns/team/sa/${agent}` })
    .setProtectedHeader({ alg: 'ES256', typ: 'JWT' })
    .setIssuer(ISSUER)
    .setAudience(audience)
    .setIssuedAt()
    .setExpirationTime('1m')
    .sign(keys.privateKey);

const request = (run: string, agent = 'writer'): SecretRequest => ({
  origin: 'https://api.example',
  level: 'Read',
  resources: [],
  params: {},
  lifetimeSeconds: 120,
  signGrant: createGrant(run, agent),
});

describe('secrets of a real Vault', () => {
  const secrets = createVaultSecrets({ send: sendToEndpoint });
  let vault: VaultServer;
  let source: VaultSource;

  const configure = async (): Promise<void> => {
    const { write } = vault;
    await trustIssuer(vault, { issuer: ISSUER, keys: [keys.publicKey] });
    await write('sys/mounts/secret', { type: 'kv', options: { version: '2' } });
    await write('sys/mounts/old', { type: 'kv', options: { version: '1' } });
    await write('sys/mounts/leased', { type: 'leased' });
    await write('sys/policies/acl/agents', {
      policy: ['secret/data/team/*', 'old/team', 'leased/team']
        .map((path) => `path "${path}" { capabilities = ["read"] }`)
        .join('\n'),
    });
    const role = {
      role_type: 'jwt',
      user_claim: 'jti',
      bound_audiences: [vault.address],
      bound_claims: { sub: 'spiffe://example/ns/team/sa/writer' },
      token_policies: ['agents'],
      token_ttl: '1h',
    };
    await write('auth/jwt/role/agents', role);
    await write('auth/jwt/role/batch', { ...role, token_type: 'batch' });
    await write('old/team', { key: 'old-0123456789abcdef' });
    await write('leased/team', { key: 'leased-0123456789abcdef', ttl: '1h' });
    await write('secret/data/other/key', { data: { key: 'other-0123456789abcdef' } });
    await write('secret/data/team/key', { data: { key: 'new-0123456789abcdef', short: 'x' } });
  };

  beforeAll(async () => {
    const { vault: program } = await buildPrograms(console.log, ['vault']);
    vault = await startVault(program);
    source = { address: vault.address, mount: 'jwt', role: 'agents', caBundle: vault.caBundle };
    await configure();
    // Cold, Vault is compiled first.
  }, 30 * 60_000);
  afterAll(() => vault.close());

  const lookUp = (token: string) => vault.call('GET', 'auth/token/lookup-self', { token });

  it("gives a run's token the run's remaining life, whatever the role says", async () => {
    const { secret } = await secrets.fetch(source, request('run-1'));
    const { body } = await lookUp(secret);
    expect((body as { data: { ttl: number } }).data.ttl).toBeLessThanOrEqual(120);
  });

  it("ends a run's token with the run", async () => {
    const { secret, revocation = '' } = await secrets.fetch(source, request('run-2'));
    expect((await lookUp(secret)).status).toBe(200);
    await secrets.revoke(source, revocation, createGrant('run-2', 'writer'));
    expect((await lookUp(secret)).status).toBe(403);
  });

  it.each([
    ['secret/data/team/key', 'new-0123456789abcdef'],
    ['old/team', 'old-0123456789abcdef'],
    ['leased/team', 'leased-0123456789abcdef'],
  ])('reads %s', async (path, secret) => {
    const fetched = await secrets.fetch({ ...source, path, field: 'key' }, request('run-3'));
    expect(fetched.secret).toBe(secret);
    await secrets.revoke(source, fetched.revocation ?? '', createGrant('run-3', 'writer'));
    expect((await lookUp(fetched.revocation ?? '')).status).toBe(403);
  });

  it('ends the lease of a dynamic secret with the run', async () => {
    const dynamic = { ...source, path: 'leased/team', field: 'key' };
    const list = async () =>
      (await vault.call('GET', 'sys/leases/lookup/leased/team?list=true')).status;
    const { revocation = '' } = await secrets.fetch(dynamic, request('run-4'));
    expect(await list()).toBe(200);
    await secrets.revoke(dynamic, revocation, createGrant('run-4', 'writer'));
    expect(await list()).toBe(404);
  });

  it("refuses another agent, another server's grant, and a path outside the role", async () => {
    await expect(secrets.fetch(source, request('run-5', 'reader'))).rejects.toMatchObject({
      code: 'provider_refused',
    });
    const signGrant = () => createGrant('run-6', 'writer')('https://other.example');
    await expect(secrets.fetch(source, { ...request('run-6'), signGrant })).rejects.toMatchObject({
      code: 'provider_refused',
    });
    const other = { ...source, path: 'secret/data/other/key', field: 'key' };
    await expect(secrets.fetch(other, request('run-7'))).rejects.toMatchObject({
      code: 'provider_refused',
      message: 'Vault role agents: GET secret/data/other/key: answered 403',
    });
  });

  it('refuses batch tokens, which cannot be revoked', async () => {
    const batch = { ...source, role: 'batch' };
    await expect(secrets.fetch(batch, request('run-8'))).rejects.toMatchObject({
      code: 'provider_refused',
    });
  });

  it('refuses a field that is missing or too short, and ends the token that read it', async () => {
    for (const field of ['absent', 'short', 'toString']) {
      const wrong = { ...source, path: 'secret/data/team/key', field };
      await expect(secrets.fetch(wrong, request('run-9'))).rejects.toMatchObject({
        code: 'secret_invalid',
      });
    }
  });
});

describe('runs whose secrets are in a real Vault, through the authority and the sidecar', () => {
  const keysOfCalls: string[] = [];
  const api = createServer((request, response) => {
    keysOfCalls.push((request.headers.authorization ?? '').replace('Bearer ', ''));
    response.end('{}');
  });
  let vault: VaultServer;
  let running: CallThrough;
  const isActive = async (token: string): Promise<boolean> =>
    (await vault.call('GET', 'auth/token/lookup-self', { token })).status === 200;

  /** Vault itself enforces which customer's path a run reads, by the params in its grant. */
  const configure = async (): Promise<void> => {
    const { write } = vault;
    await trustIssuer(vault, await readIssuer(running));
    const { body } = await vault.call('GET', 'sys/auth');
    const { accessor } = (body['jwt/'] ?? {}) as { accessor?: string };
    const customer = `{{identity.entity.aliases.${accessor ?? ''}.metadata.customer}}`;
    await write('sys/mounts/secret', { type: 'kv', options: { version: '2' } });
    await write('sys/policies/acl/customer', {
      policy: `path "secret/data/${customer}/key" { capabilities = ["read"] }`,
    });
    await write('auth/jwt/role/agents', {
      ...{ role_type: 'jwt', user_claim: 'jti', bound_audiences: [vault.address] },
      bound_claims: { sub: 'spiffe://prod.example/ns/live/sa/agent/task/chat' },
      claim_mappings: { '/params/customer': 'customer' },
      ...{ token_policies: ['customer'], token_ttl: '1h' },
    });
    for (const name of ['acme', 'globex']) {
      await write(`secret/data/${name}/key`, { data: { key: `key-of-${name}-0123456789` } });
    }
  };

  beforeAll(async () => {
    const { vault: program } = await buildPrograms(console.log, ['vault']);
    vault = await startVault(program);
    await new Promise<void>((resolve) => api.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(api.address() as AddressInfo).port}`;
    const { address, caBundle } = vault;
    const server = { address, caBundle, mount: 'jwt', role: 'agents' };
    running = await startCallThrough(
      (harness) => {
        const keyed = { path: 'secret/data/{customer}/key', field: 'key' };
        putUpstream(harness, { url, secret: { vault: { ...server, ...keyed } } });
      },
      {
        params: { customer: { pattern: '[a-z]+', maxLength: 20 } },
        allow: [{ actions: ['http:GET'], resources: [`${url}/{customer}/*`] }],
      },
      { tagParams: ['customer'] },
    );
    await configure();
  }, 30 * 60_000);
  afterAll(async () => {
    await running.close();
    api.close();
    vault.close();
  });

  it('get the key at the path of their own params, by a token that ends with them', async () => {
    for (const customer of ['acme', 'globex']) {
      const { run, baseUrl } = await running.startRun({ customer });
      expect((await running.call(`${baseUrl}/${customer}/orders`)).status).toBe(200);
      expect(keysOfCalls.at(-1)).toBe(`key-of-${customer}-0123456789`);
      const { body } = await vault.call('LIST', 'auth/token/accessors');
      const before = ((body['data'] ?? {}) as { keys?: string[] }).keys ?? [];
      expect(await running.endRun(run)).toBe(204);
      // The root token remains.
      await waitUntil(async () => {
        const answer = await vault.call('LIST', 'auth/token/accessors');
        const { keys = [] } = (answer.body['data'] ?? {}) as { keys?: string[] };
        return keys.length < before.length ? true : undefined;
      });
    }
  });

  it('cannot read the path of another run, whatever the Upstream says', async () => {
    const { address, caBundle } = vault;
    const server = { address, caBundle, mount: 'jwt', role: 'agents' };
    const fixed = { path: 'secret/data/globex/key', field: 'key' };
    const refuseSoon = async () => {
      const started = await running.startRun({ customer: 'acme' });
      return JSON.stringify(started).includes('answered 403') ? true : undefined;
    };
    const url = `http://127.0.0.1:${(api.address() as AddressInfo).port}`;
    putUpstream(running.harness, { url, secret: { vault: { ...server, ...fixed } } });
    expect(await waitUntil(refuseSoon)).toBe(true);
  });

  it('present the token itself to Vault where the Upstream has no path, until they end', async () => {
    const { address, caBundle } = vault;
    const url = `http://127.0.0.1:${(api.address() as AddressInfo).port}`;
    const token = { vault: { address, caBundle, mount: 'jwt', role: 'agents' } };
    putUpstream(running.harness, { url, secret: token });
    const { run } = await waitUntil(async () => {
      const started = await running.startRun({ customer: 'acme' });
      await running.call(`${started.baseUrl}/acme/orders`);
      return keysOfCalls.at(-1)?.startsWith('hvs.') === true ? started : undefined;
    });
    const presented = keysOfCalls.at(-1) ?? '';
    expect(await isActive(presented)).toBe(true);
    await running.endRun(run);
    await waitUntil(async () => ((await isActive(presented)) ? undefined : true));
  });
});
