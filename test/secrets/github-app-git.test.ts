import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, expect, it, jest } from '@jest/globals';

import { buildGitEnv } from '../../lib/injection/git-settings.ts';
import { createBareRepository, createGitListener, runGit } from '../kit/git-http-backend.ts';
import { startGitHubApi } from '../kit/github-api.ts';
import { waitUntil } from '../kit/retry.ts';
import { putSecret, putUpstream, startCallThrough } from './call-through.ts';

jest.setTimeout(60_000);

const TOKEN = 'ghs_0123456789abcdefghijklmnop';
const FORGE = 'https://github.example';
const REF = 'refs/heads/agent/fix';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A forge like GitHub: its API issues a token, with which alone `git http-backend` serves repositories. */
const startForge = async (root: string) => {
  const authorization = `Basic ${Buffer.from(`x-access-token:${TOKEN}`).toString('base64')}`;
  const forge = await startGitHubApi({
    issue: () => ({ body: { token: TOKEN } }),
    serve: createGitListener({ root, authorization }),
  });
  closers.push(forge.close);
  return forge;
};

type Forge = Awaited<ReturnType<typeof startForge>>;

const startGateway = async ({ origin, caBundle }: Forge, allow: readonly object[]) => {
  const pem = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({
    ...{ type: 'pkcs1', format: 'pem' },
  });
  const running = await startCallThrough(
    (harness) => {
      putSecret(harness, { name: 'app', origins: origin, data: { pem: pem as string } });
      putUpstream(harness, {
        ...{ url: origin, caBundle, allowHttp: false, protocol: 'git' },
        present: { basic: { username: 'x-access-token' } },
        secret: {
          githubApp: {
            ...{ appId: 7, installationId: 9, apiUrl: origin },
            privateKey: { name: 'app', key: 'pem' },
            permissions: { Read: { contents: 'read' }, Write: { contents: 'write' } },
          },
        },
      });
    },
    { client: 'git', allow },
  );
  closers.push(running.close);
  return running;
};

it('lets git clone, push and fetch with a token of its repository, which is deleted with the run', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'valetkey-github-git-'));
  closers.push(() => rmSync(folder, { recursive: true, force: true }));
  const root = join(folder, 'forge');
  mkdirSync(join(root, 'acme'), { recursive: true });
  for (const name of ['acme/web.git', 'acme/other.git']) createBareRepository(root, name);
  const forge = await startForge(root);
  const web = 'git://model-api/acme/web';
  const running = await startGateway(forge, [
    { actions: ['git:fetch'], resources: [web] },
    { actions: ['git:push'], resources: [`${web}#${REF}`] },
  ]);
  const { baseUrl: base, tokenFile } = running;
  const env = Object.fromEntries(
    buildGitEnv([{ base, upstreamUrl: FORGE }], tokenFile).map(({ name, value = '' }) => [
      name,
      value,
    ]),
  );
  const git = async (...args: string[]) => {
    const { status, output } = await runGit(folder, args, env);
    return { status, output: output.trim() };
  };

  expect(await git('clone', `${FORGE}/acme/web.git`, 'one')).toMatchObject({ status: 0 });
  await git('-C', 'one', 'commit', '--allow-empty', '-m', 'first');
  expect(await git('-C', 'one', 'push', 'origin', `HEAD:${REF}`)).toMatchObject({ status: 0 });
  await git('init', 'two');
  const fetching = ['fetch', `${FORGE}/acme/web.git`, REF];
  expect(await git('-C', 'two', ...fetching)).toMatchObject({ status: 0 });
  expect(await git('-C', 'two', 'rev-parse', 'FETCH_HEAD')).toEqual(
    await git('-C', 'one', 'rev-parse', 'HEAD'),
  );
  const other = await git('clone', `${FORGE}/acme/other.git`);
  expect([other.status === 0, other.output]).toEqual([false, expect.stringContaining('403')]);

  const { received, differences } = forge;
  expect(received.map(({ method, body }) => [method, body])).toEqual([
    ['POST', { repositories: ['web'], permissions: { contents: 'write' } }],
  ]);
  await running.stopSidecar();
  await waitUntil(() => received.length === 2);
  expect(received[1]).toMatchObject({ method: 'DELETE', bearer: TOKEN });
  expect(differences).toEqual([]);
  expect(JSON.stringify(await running.listTraces())).not.toContain(TOKEN);
});
