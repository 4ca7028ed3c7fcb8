import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import {
  createServer,
  request,
  type IncomingMessage,
  type RequestListener,
  type Server,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';

import type { Exchange } from '../../lib/contract/exchange.ts';
import type { UpstreamRules } from '../../lib/contract/upstream.ts';
import { buildGitEnv } from '../../lib/injection/git-settings.ts';
import { buildTask } from '../../lib/runs/fixtures/fake-exchange.ts';
import { createBareRepository, createGitServer, runGit } from '../../test/kit/git-http-backend.ts';
import { sendRequest, startTestSidecar } from './fixtures/test-sidecar.ts';

const SECRET = 'ghs_0123456789abcdef0123456789abcdef';
const AUTHORIZATION = `Basic ${Buffer.from(`x-access-token:${SECRET}`).toString('base64')}`;
const FORGE = 'https://forge.example';
const MEBIBYTE = 1024 * 1024;

const FIX = buildTask({
  name: 'fix',
  provider: 'http',
  role: 'forge',
  delivery: 'sign',
  client: 'git',
  allow: [
    { actions: ['git:fetch'], resources: ['git://forge/acme/web'] },
    { actions: ['git:push'], resources: ['git://forge/acme/web#refs/heads/agent/*'] },
    { actions: ['git:delete-ref'], resources: ['git://forge/acme/web#refs/heads/agent/tmp-*'] },
  ],
});

const closers: (() => unknown)[] = [];
const closeAll = async (): Promise<void> => {
  for (const close of closers.splice(0).reverse()) await close();
};

const listen = async (server: Server): Promise<string> => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};

/** Starts the gateway of task `fix` before a forge. */
const startGateway = async (forge: Server, changes: Partial<UpstreamRules> = {}) => {
  const url = await listen(forge);
  const lines: string[] = [];
  const rules: UpstreamRules = {
    ...{ name: 'forge', url, protocol: 'git', query: { deny: [] }, encodedSlash: 'refuse' },
    headers: { pass: [], set: {} },
    ...{ allowHttp: true, privateAddresses: true, maxBodyBytes: 64 * MEBIBYTE },
    ...changes,
  };
  const exchange: Exchange = ({ task: { lifetimeSeconds } }) =>
    Promise.resolve({
      run: 'run-1',
      secret: {
        kind: 'http',
        headers: { authorization: AUTHORIZATION },
        echoes: [SECRET],
        upstream: rules,
      },
      deadline: Date.now() + lifetimeSeconds * 1000,
      skewMs: 0,
    });
  const access = { region: 'eu-central-1', dialect: 'aws' };
  const limits = { maxBodyBytes: MEBIBYTE, bufferBytes: MEBIBYTE };
  const running = await startTestSidecar({
    tasks: [FIX],
    exchange,
    environment: { VALETKEY_GATEWAY: JSON.stringify({ ...access, ...limits }) },
    write: (line, done) => {
      lines.push(line);
      done();
    },
  });
  closers.push(running.remove, running.stop);
  const tokenFile = join(running.folder, 'agent', 'token');
  const base = `http://127.0.0.1:${running.gatewayPort}/t/fix`;
  const env = Object.fromEntries(
    buildGitEnv([{ base, upstreamUrl: FORGE }], tokenFile).map(({ name, value = '' }) => [
      name,
      value,
    ]),
  );
  const readToken = (): string => readFileSync(tokenFile, 'utf8');
  const authorization = `Basic ${Buffer.from(`any:${readToken()}`).toString('base64')}`;
  return { ...running, base, env, authorization, readToken, lines };
};

type Gateway = Awaited<ReturnType<typeof startGateway>>;

/** The protocol's pkt-line. */
const toLine = (text: string): string =>
  (Buffer.byteLength(text) + 4).toString(16).padStart(4, '0') + text;
const ZERO = '0'.repeat(40);
const ONE = '1'.repeat(40);
const PUSH_TYPE = 'application/x-git-receive-pack-request';

/** A request that no client of Git sends. */
const sendHostile = (
  { base, authorization }: Gateway,
  path: string,
  {
    method = 'POST',
    body,
    type = PUSH_TYPE,
  }: { method?: string; body?: string; type?: string } = {},
) =>
  sendRequest({
    port: Number(new URL(base).port),
    method,
    path,
    headers: { host: new URL(base).host, authorization, 'content-type': type },
    ...(body !== undefined && { body }),
  });

describe('Git through the gateway to git http-backend', () => {
  const folder = mkdtempSync(join(tmpdir(), 'valetkey-git-'));
  const root = join(folder, 'forge');
  const work = join(folder, 'work');
  const received: { url: string; authorization: string | undefined }[] = [];
  let gateway: Gateway;
  const git = (...args: string[]) => runGit(work, args, gateway.env);
  const listBranches = async (repository = 'acme/web.git'): Promise<string> =>
    (await runGit(join(root, repository), ['branch', '--list', '--format=%(refname:short)']))
      .output;

  beforeAll(async () => {
    mkdirSync(join(root, 'acme'), { recursive: true });
    mkdirSync(work);
    createBareRepository(root, 'acme/web.git');
    createBareRepository(root, 'acme/api.git');
    const forge = createGitServer({
      root,
      authorization: AUTHORIZATION,
      received: ({ url = '', headers }) =>
        void received.push({ url, authorization: headers.authorization }),
    });
    gateway = await startGateway(forge);
    await git('init', '--quiet', '--initial-branch=main');
    writeFileSync(join(work, 'file'), 'x'.repeat(200_000));
    await git('add', '.');
    await git('commit', '--quiet', '-m', 'first');
    await git('remote', 'add', 'origin', `${FORGE}/acme/web.git`);
  });
  afterAll(async () => {
    await closeAll();
    rmSync(folder, { recursive: true });
  });

  it('pushes to a ref of the task, also in chunks after a probe', async () => {
    const pushed = await git('push', 'origin', 'main:agent/one');
    expect(pushed).toMatchObject({ status: 0 });
    expect(pushed.output).not.toContain('fatal');
    const chunked = ['-c', 'http.postBuffer=1000', 'push', 'origin', 'main:agent/two'];
    expect(await git(...chunked)).toMatchObject({ status: 0 });
    expect((await listBranches()).split('\n')).toEqual(
      expect.arrayContaining(['agent/one', 'agent/two']),
    );
  });

  it.each(['0', '1', '2'])('clones, fetches and clones shallow by protocol %s', async (version) => {
    const protocol = ['-c', `protocol.version=${version}`];
    const url = `${FORGE}/acme/web.git`;
    const branch = ['--quiet', '--branch', 'agent/one'];
    for (const extra of [[], ['--depth', '1']]) {
      const target = join(folder, `clone-${version}-${extra.length}`);
      const cloned = await git(...protocol, 'clone', ...branch, ...extra, url, target);
      expect(cloned).toEqual({ status: 0, output: '' });
      expect(readFileSync(join(target, 'file'))).toHaveLength(200_000);
    }
    expect(await git(...protocol, 'fetch', '--quiet', 'origin')).toMatchObject({ status: 0 });
  });

  it('pushes from a shallow clone', async () => {
    const target = join(folder, 'clone-2-2');
    writeFileSync(join(target, 'more'), 'more');
    const run = (...args: string[]) => runGit(target, args, gateway.env);
    await run('add', '.');
    await run('commit', '--quiet', '-m', 'more');
    expect(await run('push', 'origin', 'HEAD:agent/shallow')).toMatchObject({ status: 0 });
  });

  it('challenges a request without key with Basic, on loopback only', async () => {
    const { base } = gateway;
    const response = await fetch(`${base}/acme/web.git/info/refs?service=git-upload-pack`);
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toBe('Basic realm="valetkey"');
    const anonymous = await runGit(work, ['ls-remote', `${base}/acme/web.git`]);
    expect(anonymous.output).toContain('terminal prompts disabled');
    const mounted = await sendRequest({
      socketPath: join(gateway.folder, 'agent', 'gateway'),
      path: '/t/fix/acme/web.git/info/refs?service=git-upload-pack',
      headers: { host: new URL(base).host },
    });
    expect(mounted.status).toBe(200);
  });

  it('presents the secret of the run to the forge, and never the key of the consumer', async () => {
    expect(await git('ls-remote', 'origin')).toMatchObject({ status: 0 });
    expect(new Set(received.map(({ authorization }) => authorization))).toEqual(
      new Set([AUTHORIZATION]),
    );
  });

  it('prints at each ref why a push is refused, and pushes none of them', async () => {
    const before = await listBranches();
    const count = received.length;
    const refused = await git('push', 'origin', 'main:agent/three', 'main:main');
    expect(refused.status).toBe(1);
    expect(refused.output).toContain(
      '! [remote rejected] main -> main (valetkey: git:push on git://forge/acme/web#refs/heads/main is outside task fix (ref_outside))',
    );
    expect(refused.output).toContain(
      '! [remote rejected] main -> agent/three (valetkey: another ref of this push is refused (ref_outside))',
    );
    expect(received.slice(count).map(({ url }) => url)).toEqual([
      '/acme/web.git/info/refs?service=git-receive-pack',
    ]);
    expect(await listBranches()).toBe(before);
  });

  it('refuses a deletion without its permission and carries out one with it', async () => {
    const refused = await git('push', 'origin', ':agent/one');
    expect(refused.output).toContain('git:delete-ref on git://forge/acme/web#refs/heads/agent/one');
    expect(await git('push', 'origin', 'main:agent/tmp-1')).toMatchObject({ status: 0 });
    expect(await git('push', 'origin', ':agent/tmp-1')).toMatchObject({ status: 0 });
    const branches = await listBranches();
    expect(branches).toContain('agent/one');
    expect(branches).not.toContain('tmp-1');
  });

  it('cannot see that a push is forced', async () => {
    await git('push', 'origin', 'main:agent/forced');
    await git('checkout', '--quiet', '--orphan', 'other');
    await git('commit', '--quiet', '-m', 'another history');
    expect(await git('push', 'origin', 'other:agent/forced')).toMatchObject({ status: 1 });
    expect(await git('push', '--force', 'origin', 'other:agent/forced')).toMatchObject({
      status: 0,
    });
    await git('checkout', '--quiet', 'main');
  });

  it('refuses another repository with a reason that Git prints', async () => {
    const url = `${FORGE}/acme/api.git`;
    const pushed = await git('push', url, 'main:agent/one');
    expect(pushed.status).not.toBe(0);
    expect(pushed.output).toContain(
      'remote: valetkey: git:push on git://forge/acme/api is outside task fix (path_outside)',
    );
    expect((await git('ls-remote', url)).output).toContain('git:fetch on git://forge/acme/api');
    expect(await listBranches('acme/api.git')).toBe('');
  });

  it('refuses options of a push, which servers act on beyond its refs', async () => {
    const pushed = await git('push', '-o', 'merge_request.create', 'origin', 'main:agent/options');
    expect(pushed.status).not.toBe(0);
    expect(await listBranches()).not.toContain('agent/options');
  });

  it('pushes 40 MiB whole, and prints the reason of a refused push of that size', async () => {
    const large = join(folder, 'large');
    const content = randomBytes(40 * MEBIBYTE);
    mkdirSync(large);
    const run = (...args: string[]) => runGit(large, args, gateway.env);
    await run('init', '--quiet', '--initial-branch=main');
    writeFileSync(join(large, 'data'), content);
    await run('add', '.');
    await run('commit', '--quiet', '-m', 'large');
    const refused = await run('push', `${FORGE}/acme/web`, 'main:large');
    expect(refused.output).toContain('! [remote rejected] main -> large (valetkey: git:push');
    expect(await run('push', `${FORGE}/acme/web`, 'main:agent/large')).toMatchObject({ status: 0 });
    const id = await run('rev-parse', 'main:data');
    const stored = await runGit(join(root, 'acme/web.git'), ['rev-parse', 'agent/large:data']);
    expect(stored).toEqual(id);
  });

  it.each([
    ['a dumb path', 'GET', '/acme/web.git/HEAD'],
    ['objects of the dumb protocol', 'GET', '/acme/web.git/objects/info/packs'],
    ['refs of the dumb protocol', 'GET', '/acme/web.git/info/refs'],
    ['large file storage', 'POST', '/acme/web.git/info/lfs/objects/batch'],
    ['an archive', 'POST', '/acme/web.git/git-upload-archive'],
    ['a second query', 'GET', '/acme/web.git/info/refs?service=git-upload-pack&service=x'],
    ['dot segments', 'GET', '/acme/web/../api.git/info/refs?service=git-upload-pack'],
    ['encoded dots', 'GET', '/acme/web/%2e%2e/api.git/info/refs?service=git-upload-pack'],
    ['an encoded slash', 'GET', '/acme%2Fapi.git/info/refs?service=git-upload-pack'],
    ['an empty segment', 'GET', '/acme//web.git/info/refs?service=git-upload-pack'],
    ['a backslash', 'GET', '/acme/web\\..\\api/info/refs?service=git-upload-pack'],
    ['the folder of a repository', 'GET', '/acme/web/.git/info/refs?service=git-upload-pack'],
  ])('refuses %s before the forge sees it', async (_what, method, path) => {
    const count = received.length;
    const { status } = await sendHostile(gateway, `/t/fix${path}`, { method });
    expect([400, 403]).toContain(status);
    expect(received).toHaveLength(count);
  });

  const OWN = `${ZERO} ${ONE} refs/heads/agent/a`;
  const FOREIGN = `${ZERO} ${ONE} refs/heads/main`;
  it.each([
    ['two commands of which one is outside', `${toLine(OWN)}${toLine(FOREIGN)}0000PACK`],
    [
      'a command behind the NUL of another',
      `${toLine(`${OWN}\0 x\n${FOREIGN}`)}${toLine(FOREIGN)}0000`,
    ],
    ['capabilities in a second command', `${toLine(OWN)}${toLine(`${FOREIGN}\0 atomic`)}0000`],
    ['a push certificate', `${toLine(`push-cert\0 report-status`)}${toLine(OWN)}0000`],
    ['a delimiter before a command', `${toLine(OWN)}0001${toLine(FOREIGN)}0000`],
    ['a length that hides a command', `ffff${OWN}${toLine(FOREIGN)}0000`],
    ['no flush', toLine(OWN)],
    ['an empty body', ''],
    ['another name of a ref by dots', `${toLine(`${ZERO} ${ONE} refs/heads/agent/../main`)}0000`],
  ])('refuses a push with %s before the forge sees it', async (_what, body) => {
    const count = received.length;
    const { status } = await sendHostile(gateway, '/t/fix/acme/web.git/git-receive-pack', { body });
    expect([400, 403]).toContain(status);
    expect(received).toHaveLength(count);
  });

  it('refuses a push in a compressed body, and one of another type', async () => {
    const path = '/t/fix/acme/web.git/git-receive-pack';
    const body = `${toLine(OWN)}0000`;
    expect((await sendHostile(gateway, path, { body, type: 'text/plain' })).status).toBe(400);
    const response = await fetch(`${new URL(gateway.base).origin}${path}`, {
      method: 'POST',
      body,
      headers: {
        authorization: gateway.authorization,
        'content-type': PUSH_TYPE,
        'content-encoding': 'gzip',
      },
    });
    expect([response.status, await response.text()]).toEqual([
      400,
      'valetkey: push: expected a body without content encoding (request_malformed)\n',
    ]);
  });

  it('journals each command of a push as a permission, without a key', async () => {
    await git('push', 'origin', 'main:agent/journal-1', 'main:agent/journal-2');
    const lines = gateway.lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines).toContainEqual(
      expect.objectContaining({
        ...{ kind: 'call', run: 'run-1', task: 'fix', consumer: 'agent', outcome: 'allowed' },
        ...{ operation: 'git.receive-pack', actions: ['git:push'], resolved: true },
        resources: [
          'git://forge/acme/web#refs/heads/agent/journal-1',
          'git://forge/acme/web#refs/heads/agent/journal-2',
        ],
      }),
    );
    expect(lines).toContainEqual(
      expect.objectContaining({
        ...{ outcome: 'refused', code: 'ref_outside', status: 200 },
        resources: ['git://forge/acme/web#refs/heads/main'],
      }),
    );
    for (const secret of [SECRET, gateway.readToken()]) {
      expect(gateway.lines.join('')).not.toContain(secret);
    }
  });
});

describe('a push through the gateway', () => {
  afterEach(closeAll);

  const HEAD = `${toLine(`${ZERO} ${ONE} refs/heads/agent/a\0 report-status`)}0000`;
  const startPush = ({ base, authorization }: Gateway) =>
    request(`${base}/acme/web/git-receive-pack`, {
      method: 'POST',
      headers: { authorization, 'content-type': PUSH_TYPE },
    });
  const answer: RequestListener = (incoming, outgoing) => {
    incoming.resume();
    incoming.once('end', () => outgoing.end('done'));
  };

  it('reads no more ahead than its windows while the forge is slow', async () => {
    const total = 64 * MEBIBYTE;
    let sent = 0;
    let stored = 0;
    let ahead = 0;
    const store = async (incoming: IncomingMessage): Promise<void> => {
      for await (const chunk of incoming) {
        stored += (chunk as Buffer).length;
        ahead = Math.max(ahead, sent - stored);
        await new Promise(setImmediate);
      }
    };
    const forge = createServer((incoming, outgoing) => {
      void store(incoming).then(() => outgoing.end('done'));
    });
    const gateway = await startGateway(forge, { maxBodyBytes: 2 * total });
    const pieces = function* (): Generator<Buffer> {
      yield Buffer.from(HEAD);
      for (; sent < total; sent += MEBIBYTE) yield Buffer.alloc(MEBIBYTE);
    };
    const push = startPush(gateway);
    const response = new Promise<IncomingMessage>((resolve) => push.once('response', resolve));
    await pipeline(Readable.from(pieces()), push);
    (await response).resume();
    expect(stored).toBe(HEAD.length + total);
    // Buffers of two connections in the kernel, and of the streams between them.
    expect(ahead).toBeLessThan(total / 2);
  });

  it('is refused above the limit of its upstream, at once if its length says so', async () => {
    const gateway = await startGateway(createServer(answer), { maxBodyBytes: 1000 });
    const response = await fetch(`${gateway.base}/acme/web/git-receive-pack`, {
      method: 'POST',
      body: HEAD + 'x'.repeat(2000),
      headers: { authorization: gateway.authorization, 'content-type': PUSH_TYPE },
    });
    expect(response.status).toBe(413);
  });

  it('ends with its run, half sent', async () => {
    const forge = createServer();
    const begun = new Promise<IncomingMessage>((resolve) => {
      forge.once('request', resolve);
    });
    const gateway = await startGateway(forge);
    const push = startPush(gateway);
    const response = new Promise<IncomingMessage>((resolve) => push.once('response', resolve));
    push.on('error', () => undefined);
    push.write(HEAD);
    const atForge = await begun;
    const cut = new Promise((resolve) => {
      atForge.once('close', resolve);
      atForge.on('error', () => undefined);
    });
    const stopped = gateway.stop();
    await cut;
    const { statusCode, headers } = await response;
    expect([statusCode, headers['x-valetkey-code']]).toEqual([403, 'run_ended']);
    await stopped;
    expect(gateway.lines.map((line) => JSON.parse(line) as object)).toContainEqual(
      expect.objectContaining({ outcome: 'cut', task: 'fix', operation: 'git.receive-pack' }),
    );
  });
});
