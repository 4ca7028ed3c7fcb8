import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { createBareRepository, runGit, serveGit } from '../../test/kit/git-http-backend.ts';
import { authorizeGitCall, checkPushHeaders } from './authorize-git-call.ts';
import type { CallRefusal } from './call-refusals.ts';
import { refuseCall, type CallResult } from './call-request.ts';
import { createCommandReader, type RefCommand } from './git-commands.ts';
import { recognizeGitRequest } from './git-request.ts';
import { readHttpHeaders } from './http-headers.ts';
import { renderHttpRefusal } from './http-refusals.ts';
import { parseHttpRoute, parseHttpTarget } from './http-target.ts';

const RUN = {
  name: 'fix',
  allow: [
    { actions: ['git:fetch'], resources: ['git://forge/acme/web'] },
    { actions: ['git:push'], resources: ['git://forge/acme/web#refs/heads/agent/*'] },
    { actions: ['git:delete-ref'], resources: ['git://forge/acme/web#refs/heads/agent/tmp-*'] },
  ],
};

class Refused extends Error {
  readonly refusal: CallRefusal;
  constructor(refusal: CallRefusal) {
    super(refusal.message);
    this.refusal = refusal;
  }
}
const require = <T>(result: CallResult<T>): T => {
  if (!result.ok) throw new Refused(result.refusal);
  return result.value;
};

const TOKEN = 'local-token-0123456789';

/** The variables of a consumer of a git task; the helper only reads, so that its file can be read-only. */
const buildGitEnv = (base: string, file: string) => {
  const settings = [
    [`url.${base}/.insteadOf`, 'https://forge.example/'],
    [`credential.${base}.helper`, `!f() { test "$1" = get && cat ${file}; }; f`],
  ];
  return Object.fromEntries([
    ['GIT_CONFIG_COUNT', String(settings.length)],
    ...settings.flatMap(([key, value], index) => [
      [`GIT_CONFIG_KEY_${index}`, key],
      [`GIT_CONFIG_VALUE_${index}`, value],
    ]),
  ]) as Record<string, string>;
};

/** Decides each request as the gateway does, and lets Git's own server answer it. */
const startForge = (root: string): Server =>
  createServer((incoming, outgoing) => {
    const { method = '', url = '', rawHeaders } = incoming;
    const body = new PassThrough();
    const authorize = async (): Promise<{ path: string; query: string }> => {
      const headers = require(readHttpHeaders(rawHeaders));
      const expected = `Basic ${Buffer.from(`valetkey:${TOKEN}`).toString('base64')}`;
      if (headers.get('authorization') !== expected) {
        return require(refuseCall('key_required', 'expected the token of this container'));
      }
      const route = parseHttpRoute(url);
      const rules = {
        url: 'https://forge.example',
        encodedSlash: 'refuse',
        query: { deny: [] },
      } as const;
      const { path, wirePath } = require(parseHttpTarget(route?.rest ?? '', rules));
      const query = wirePath.slice(path.length + 1);
      const request = require(recognizeGitRequest({ method, path, query }));
      require(authorizeGitCall({ request, upstream: 'forge' }, RUN));
      const isPush = request.step === 'rpc' && request.service === 'receive-pack';
      if (!isPush) {
        incoming.pipe(body);
        return { path, query };
      }
      require(checkPushHeaders(headers));
      const commands = await readCommands();
      require(authorizeGitCall({ request, upstream: 'forge', commands }, RUN));
      incoming.pipe(body);
      return { path, query };
    };
    /** Reads the head of the push; what was read goes on to the server first. */
    const readCommands = async (): Promise<readonly RefCommand[]> => {
      const read = createCommandReader();
      for await (const piece of incoming.iterator({ destroyOnReturn: false })) {
        body.write(piece);
        const commands = require(read(piece as Buffer));
        if (commands !== undefined) return commands;
      }
      throw new Error('expected commands');
    };
    authorize().then(
      ({ path, query }) => serveGit({ root, path, query }, { incoming, outgoing, body }),
      (thrown: unknown) => {
        if (!(thrown instanceof Refused)) throw thrown;
        const options = { format: 'git', isHead: false } as const;
        const { status, headers, body } = renderHttpRefusal(thrown.refusal, options);
        outgoing.writeHead(status, { ...headers, connection: 'close' }).end(body);
      },
    );
  });

describe('calls of a real Git client to a real Git server', () => {
  const folder = mkdtempSync(join(tmpdir(), 'valetkey-git-'));
  const work = join(folder, 'work');
  const root = join(folder, 'forge');
  let server: Server;
  let base: string;
  let env: Record<string, string>;
  const git = (...args: string[]) => runGit(work, args, env);

  beforeAll(async () => {
    mkdirSync(join(root, 'acme'), { recursive: true });
    mkdirSync(work);
    createBareRepository(root, 'acme/web.git');
    createBareRepository(root, 'acme/api.git');
    server = startForge(root);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/t/fix`;
    const file = join(folder, 'git-credential');
    writeFileSync(file, `username=valetkey\npassword=${TOKEN}\n`);
    env = buildGitEnv(base, file);
    await git('init', '--quiet', '--initial-branch=main');
    writeFileSync(join(work, 'file'), 'x'.repeat(200_000));
    await git('add', '.');
    await git('commit', '--quiet', '-m', 'first');
    await git('remote', 'add', 'origin', 'https://forge.example/acme/web.git');
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true });
  });

  it('pushes to a ref of the task, also in chunks after a probe', async () => {
    expect(await git('push', 'origin', 'main:agent/one')).toMatchObject({ status: 0 });
    const chunked = ['-c', 'http.postBuffer=1000', 'push', 'origin', 'main:agent/two'];
    expect(await git(...chunked)).toMatchObject({ status: 0 });
    const { output } = await runGit(join(root, 'acme/web.git'), ['branch', '--list']);
    expect(output).toContain('agent/one');
    expect(output).toContain('agent/two');
  });

  it('fetches and clones the repository of the task, by protocol 0 and 2', async () => {
    expect(await git('fetch', 'origin')).toMatchObject({ status: 0 });
    for (const version of ['0', '2']) {
      const target = join(folder, `clone-${version}`);
      const url = 'https://forge.example/acme/web.git';
      const clone = [
        '-c',
        `protocol.version=${version}`,
        'clone',
        '--branch',
        'agent/one',
        url,
        target,
      ];
      expect(await git(...clone)).toMatchObject({ status: 0 });
    }
  });

  it('asks for credentials first, and leaves the file with them unchanged', async () => {
    const anonymous = await runGit(work, ['ls-remote', `${base}/acme/web.git`]);
    expect(anonymous.status).not.toBe(0);
    expect(anonymous.output).toContain('terminal prompts disabled');
    const { status, output } = await git('ls-remote', 'origin');
    expect({ status, output }).toEqual({ status: 0, output: expect.not.stringContaining('fatal') });
  });

  it('refuses a push to another ref, alone and beside one of the task', async () => {
    const refused = await git('push', 'origin', 'main:main');
    expect(refused.status).not.toBe(0);
    expect(refused.output).toContain('403');
    expect((await git('push', 'origin', 'main:agent/three', 'main:main')).status).not.toBe(0);
    const { output } = await runGit(join(root, 'acme/web.git'), ['branch', '--list']);
    expect(output).not.toMatch(/main|three/);
  });

  it('refuses a deletion without its permission and carries out one with it', async () => {
    expect((await git('push', 'origin', ':agent/one')).status).not.toBe(0);
    expect(await git('push', 'origin', 'main:agent/tmp-1')).toMatchObject({ status: 0 });
    expect(await git('push', 'origin', ':agent/tmp-1')).toMatchObject({ status: 0 });
    const { output } = await runGit(join(root, 'acme/web.git'), ['branch', '--list']);
    expect(output).toContain('agent/one');
    expect(output).not.toContain('tmp-1');
  });

  it('refuses another repository', async () => {
    const other = 'https://forge.example/acme/api.git';
    expect((await git('push', other, 'main:agent/one')).status).not.toBe(0);
    expect((await git('ls-remote', other)).status).not.toBe(0);
  });
});
