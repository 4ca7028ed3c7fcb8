import { generateKeyPairSync } from 'node:crypto';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SignJWT } from 'jose';

import { createVaultSecrets } from '../../lib/edge/vault/vault-secrets.ts';
import type { SecretRequest } from '../../lib/upstreams/secret-fetcher.ts';
import type { VaultSource } from '../../lib/upstreams/upstream.ts';
import { startVault, type VaultServer } from '../../test/kit/vault-server.ts';
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
  lifetimeSeconds: 120,
  signGrant: createGrant(run, agent),
});

describe('secrets of a real Vault', () => {
  const secrets = createVaultSecrets();
  let vault: VaultServer;
  let source: VaultSource;

  const configure = async (): Promise<void> => {
    const post = async (path: string, body: object) => {
      const { status } = await vault.call('POST', path, { body });
      expect({ path, isDone: status < 300 }).toEqual({ path, isDone: true });
    };
    await post('sys/auth/jwt', { type: 'jwt' });
    await post('auth/jwt/config', {
      jwt_validation_pubkeys: [keys.publicKey.export({ type: 'spki', format: 'pem' })],
      bound_issuer: ISSUER,
    });
    await post('sys/mounts/secret', { type: 'kv', options: { version: '2' } });
    await post('sys/mounts/old', { type: 'kv', options: { version: '1' } });
    await post('sys/mounts/leased', { type: 'leased' });
    await post('sys/policies/acl/agents', {
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
    await post('auth/jwt/role/agents', role);
    await post('auth/jwt/role/batch', { ...role, token_type: 'batch' });
    await post('old/team', { key: 'old-0123456789abcdef' });
    await post('leased/team', { key: 'leased-0123456789abcdef', ttl: '1h' });
    await post('secret/data/other/key', { data: { key: 'other-0123456789abcdef' } });
    await post('secret/data/team/key', { data: { key: 'new-0123456789abcdef', short: 'x' } });
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
