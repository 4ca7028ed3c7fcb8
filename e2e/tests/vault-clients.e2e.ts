import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitUntil } from '../../test/kit/retry.ts';
import { startVault, trustIssuer, type VaultServer } from '../../test/kit/vault-server.ts';
import {
  putUpstream,
  readIssuer,
  startCallThrough,
  type CallThrough,
} from '../../test/secrets/call-through.ts';
import {
  buildVaultClients,
  runVaultClient,
  type VaultAnswer,
  type VaultClients,
} from '../clients/vault-clients.ts';
import { buildPrograms } from '../cluster/programs.ts';

const KEY = 'team-0123456789abcdef';
const MOUNT_PATH = 'sys/internal/ui/mounts/secret/team/key';
const CLIENTS = ['go', 'hvac'] as const;

describe('unmodified clients of Vault, which the gateway serves before a real one', () => {
  let vault: VaultServer;
  let running: CallThrough;
  let clients: VaultClients;

  /** The token may do more than the task allows, so that what is refused is refused by the gateway. */
  const configure = async (): Promise<void> => {
    const { write } = vault;
    await trustIssuer(vault, await readIssuer(running));
    await write('sys/mounts/secret', { type: 'kv', options: { version: '2' } });
    await write('secret/data/team/key', { data: { key: KEY } });
    await write('secret/data/other/key', { data: { key: 'other-0123456789abcdef' } });
    await write('sys/policies/acl/agents', {
      policy: ['secret/*', 'sys/mounts']
        .map((path) => `path "${path}" { capabilities = ["create", "update", "read", "list"] }`)
        .join('\n'),
    });
    await write('auth/jwt/role/agents', {
      ...{ role_type: 'jwt', user_claim: 'jti', bound_audiences: [vault.address] },
      ...{ token_policies: ['default', 'agents'], token_ttl: '1h' },
    });
  };

  beforeAll(async () => {
    const { vault: program } = await buildPrograms(console.log, ['vault']);
    clients = await buildVaultClients(console.log);
    vault = await startVault(program);
    const { address, caBundle } = vault;
    const paths = ['secret/data/team/*', 'secret/metadata/team', 'sys/*', MOUNT_PATH];
    running = await startCallThrough(
      (harness) =>
        putUpstream(harness, {
          ...{ url: address, caBundle },
          present: { header: { name: 'x-vault-token', template: '{secret}' } },
          secret: { vault: { address, caBundle, mount: 'jwt', role: 'agents' } },
        }),
      {
        client: 'vault',
        allow: [{ actions: ['http:GET'], resources: paths.map((path) => `${address}/v1/${path}`) }],
      },
    );
    await configure();
    // Cold, Vault is compiled first.
  }, 30 * 60_000);
  afterAll(async () => {
    await running.close();
    vault.close();
  });

  const ask = (
    client: keyof VaultClients,
    operation: string,
    path: string,
    address = running.baseUrl,
  ): Promise<VaultAnswer> =>
    runVaultClient([...clients[client], operation, path], { address, token: running.apiKey });

  const expectRefusal = ({ data, errors }: VaultAnswer, text: string): void => {
    expect(data).toBeUndefined();
    expect(errors).toEqual([expect.stringContaining(text)]);
  };

  describe.each(CLIENTS)('%s', (client) => {
    it('reads a secret below the base path of its task', async () => {
      const { data } = await ask(client, 'read', 'secret/data/team/key');
      expect(data).toMatchObject({ data: { key: KEY } });
    });

    it('is refused a path outside its task, in the words of the gateway', async () => {
      expectRefusal(await ask(client, 'read', 'secret/data/other/key'), 'outside task chat');
    });

    it('is refused sys/* where its task lists no such path literally', async () => {
      expectRefusal(await ask(client, 'read', 'sys/mounts'), 'outside task chat');
      const { data } = await ask(client, 'read', MOUNT_PATH);
      expect(data).toMatchObject({ type: 'kv' });
    });

    it("is refused when its run ended, and the run's token is revoked", async () => {
      const before = await listAccessors();
      // A busy machine answers that the exchange is not done yet.
      const { run, baseUrl } = await waitUntil(async () => {
        const started = await running.startRun({});
        return 'run' in started && started;
      });
      const { data } = await ask(client, 'read', 'secret/data/team/key', baseUrl);
      expect(data).toMatchObject({ data: { key: KEY } });
      const listOwn = async () =>
        (await listAccessors()).filter((accessor) => !before.includes(accessor));
      expect(await listOwn()).not.toEqual([]);
      expect(await running.endRun(run)).toBe(204);
      await waitUntil(async () => (await listOwn()).length === 0);
      expectRefusal(await ask(client, 'read', 'secret/data/team/key', baseUrl), 'run_ended');
    });
  });

  const listAccessors = async (): Promise<readonly string[]> => {
    const { body } = await vault.call('LIST', 'auth/token/accessors');
    return ((body['data'] ?? {}) as { keys?: string[] }).keys ?? [];
  };

  it('list: with a GET, which hvac sends for KV where it is strict about methods of HTTP', async () => {
    const keys = { keys: ['key'] };
    for (const client of CLIENTS) {
      expect((await ask(client, 'list', 'secret/metadata/team')).data).toEqual(keys);
    }
    expect((await ask('hvac', 'list-kv-strictly', 'team')).data).toEqual(keys);
    expect(await ask('hvac', 'list-kv', 'team')).toEqual({ errors: [expect.any(String)] });
  });
});
