import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  createBareRepository,
  createGitServer,
  runGit,
} from '../../../test/kit/git-http-backend.ts';
import { execInPod } from '../../cluster/kubectl.ts';
import { cluster, createNamespace, runPod, type PodRef } from '../test-context.ts';
import {
  buildBearerSpec,
  createUpstream,
  deleteUpstream,
  getUpstreamName,
  serveOnNode,
  type NodeServer,
} from './upstream-objects.ts';

const AUTHOR = '-c user.name=agent -c user.email=agent@example';

describe('a pod with unmodified git before git http-backend', () => {
  const place: PodRef = { namespace: '', pod: 'pushing' };
  const upstream = getUpstreamName('forge');
  const key = `git-e2e-${randomBytes(24).toString('hex')}`;
  const root = mkdtempSync(join(tmpdir(), 'git-'));
  let server: NodeServer;

  /** Runs a script of the pod's shell, and returns what it printed and its status. */
  const runScript = async (script: string): Promise<string> => {
    const command = ['/bin/sh', '-c', `cd /tmp; { ${script}; } 2>&1; echo "status $?"`];
    return (await execInPod(cluster, { ...place, container: 'agent' }, command)).stdout;
  };

  const listRefs = async (repository: string): Promise<string> =>
    (await runGit(join(root, repository), ['for-each-ref', '--format=%(refname)'])).output;

  beforeAll(async () => {
    mkdirSync(join(root, 'acme'));
    for (const name of ['acme/web.git', 'acme/other.git']) createBareRepository(root, name);
    const authorization = `Basic ${Buffer.from(`x-access-token:${key}`).toString('base64')}`;
    server = await serveOnNode(createGitServer({ root, authorization }));
    const { origin } = server;
    const present = { basic: { username: 'x-access-token' } };
    const spec = { ...buildBearerSpec(upstream, origin), protocol: 'git', present };
    await createUpstream(upstream, { spec, secret: { text: key, origin } });
    place.namespace = await createNamespace('forge');
    const web = `git://${upstream}/acme/web`;
    const allow = [
      { actions: ['git:fetch'], resources: [web] },
      { actions: ['git:push'], resources: [`${web}#refs/heads/agent/*`] },
    ];
    const fix = { provider: 'http', role: upstream, client: 'git', delivery: 'sign', allow };
    await runPod({ name: place.pod, namespace: place.namespace, tasks: { fix } });
  });

  afterAll(async () => {
    await deleteUpstream(upstream);
    await server.close();
    rmSync(root, { recursive: true, force: true });
  });

  it('clones by the URL of the forge, and pushes a ref that its task allows', async () => {
    const output = await runScript(
      `git clone ${server.origin}/acme/web.git web && cd web && ` +
        `git ${AUTHOR} commit --allow-empty -m first && git push origin HEAD:refs/heads/agent/fix`,
    );
    expect(output).toMatch(/status 0\n$/);
    expect(await listRefs('acme/web.git')).toBe('refs/heads/agent/fix\n');
  });

  it('is refused another ref', async () => {
    const output = await runScript('cd web && git push origin HEAD:refs/heads/main');
    expect(output).toContain('valetkey: ');
    expect(output).not.toMatch(/status 0\n$/);
    expect(await listRefs('acme/web.git')).toBe('refs/heads/agent/fix\n');
  });

  it('is refused to delete the ref that it may push', async () => {
    const output = await runScript('cd web && git push origin --delete agent/fix');
    expect(output).toContain('[remote rejected] agent/fix (valetkey: ');
    expect(output).not.toMatch(/status 0\n$/);
    expect(await listRefs('acme/web.git')).toBe('refs/heads/agent/fix\n');
  });

  it('is refused another repository', async () => {
    const output = await runScript(`git clone ${server.origin}/acme/other.git other`);
    expect(output).toContain('403');
    expect(output).not.toMatch(/status 0\n$/);
  });
});
