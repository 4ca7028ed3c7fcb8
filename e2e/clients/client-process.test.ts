import { afterEach, describe, expect, it } from '@jest/globals';
import { join } from 'node:path';
import { startClient } from './client-process.ts';
import type { Client } from './client-process.ts';
import { createFakeFixture } from './fake-fixture.ts';
import type { Fixture } from './scenario-runner.ts';
import type { Conditions } from './scenarios.ts';

const conditions: Conditions = { lifetimeSeconds: 60, exchangeDelayMs: 0, exchange: 'grants' };
const program = join(import.meta.dirname, 'javascript/client.ts');

const resources: { stop: () => Promise<void> }[] = [];
afterEach(async () => {
  for (const each of resources.splice(0).reverse()) await each.stop();
});

const startTestClient = async (
  given: Partial<Conditions> = {},
): Promise<{ client: Client; fixture: Fixture }> => {
  const fixture = await createFakeFixture({ ...conditions, ...given });
  resources.push(fixture);
  const client = await startClient({ command: process.execPath, args: [program] }, fixture.env);
  resources.push(client);
  return { client, fixture };
};

const runScript = (text: string) => ({ command: process.execPath, args: ['--eval', text] });

describe('the JavaScript client', () => {
  it('reports its SDK, and reads an object with the injected environment', async () => {
    const { client, fixture } = await startTestClient();
    expect(client.start).toMatchObject({ op: 'start', sdk: 'javascript' });
    const answer = await client.send(`get ${fixture.objects.readable}`);
    expect(answer).toMatchObject({ op: 'get', status: 200, code: null });
    expect(answer.accessKeyId).toMatch(/^ASIA/);
  });

  it('distinguishes a refusal by the cloud from one by the sidecar', async () => {
    const allowed = await startTestClient();
    const byCloud = await allowed.client.send(`put ${allowed.fixture.objects.readable}`);
    expect(byCloud).toMatchObject({ status: 403, code: 'AccessDenied' });
    expect(byCloud.accessKeyId).not.toBeNull();
    const refused = await startTestClient({ exchange: 'refuses' });
    const bySidecar = await refused.client.send(`get ${refused.fixture.objects.readable}`);
    expect(bySidecar).toMatchObject({ accessKeyId: null, code: 'CredentialsProviderError' });
  }, 30_000);
});

describe('startClient', () => {
  it('reports a program that does not respond as hung', async () => {
    const client = await startClient(
      runScript('console.log("{}"); setInterval(() => 0, 1000)'),
      {},
    );
    resources.push(client);
    await expect(client.send('get a/b', 50)).rejects.toThrow('expected an answer within 50 ms');
  });

  it('quotes the standard error of a program that ends', async () => {
    const dying = startClient(runScript('console.error("no such region"); process.exit(1)'), {});
    await expect(dying).rejects.toThrow('no such region');
  });

  it('passes only PATH of its own environment', async () => {
    const show = 'console.log(JSON.stringify({ names: Object.keys(process.env) }))';
    process.env['AWS_SECRET_ACCESS_KEY'] = 'of the developer';
    try {
      const client = await startClient(runScript(show), { GIVEN: 'yes' });
      resources.push(client);
      const { names } = client.start as unknown as { names: string[] };
      expect(names).toEqual(expect.arrayContaining(['PATH', 'GIVEN']));
      expect(names).not.toContain('AWS_SECRET_ACCESS_KEY');
    } finally {
      delete process.env['AWS_SECRET_ACCESS_KEY'];
    }
  });
});
