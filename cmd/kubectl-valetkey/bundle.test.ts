import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { startFakeApiServer } from '../../lib/edge/kubernetes/fixtures/fake-api-server.ts';
import { PLATFORM } from './fixtures/cli-harness.ts';

/** What the image and the archives of the release contain. */
const BUILD = join(import.meta.dirname, '..', '..', 'tools', 'build', 'main.ts');

let folder: string;
let program: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'valetkey-cli-'));
  program = join(folder, 'kubectl-valetkey.cjs');
  execFileSync(process.execPath, [BUILD, '--out', folder], { stdio: 'pipe' });
  writeFileSync(join(folder, 'older.cjs'), OLDER);
  writeFileSync(join(folder, 'platform.yaml'), PLATFORM);
  writeFileSync(join(folder, 'policy.yaml'), POLICY);
  writeFileSync(join(folder, 'pod.yaml'), POD);
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true }));

/** Removes functions that Node 24 has and Node 20 does not. */
const OLDER = `
delete require('node:zlib').createZstdDecompress;
delete require('node:worker_threads').markAsUncloneable;
for (const [owner, names] of [
  [Promise, ['withResolvers', 'try']],
  [Map, ['groupBy']],
  [Object, ['groupBy']],
  [RegExp, ['escape']],
]) for (const name of names) delete owner[name];
`;
const POD = `kind: Pod
metadata:
  name: agent
  annotations:
    task.valetkey.dev/read: |
      {role: "arn:aws:iam::111122223333:role/r", lifetime: 10m,
      allow: [{actions: [s3:GetObjct], resources: ["arn:aws:s3:::acme/*"]}]}
spec:
  securityContext: {runAsNonRoot: true}
  containers: [{name: agent, image: a}]
`;
const POLICY = `apiVersion: valetkey.dev/v1alpha1
kind: TaskPolicy
metadata: {name: a}
spec: {cedar: "permit (principal, action, resource);"}
`;

type Ended = { readonly status: number | null; readonly stdout: string; readonly stderr: string };

const start = (words: readonly string[], flags: readonly string[] = []): Promise<Ended> =>
  new Promise((resolve) => {
    const child = spawn(process.execPath, [...flags, program, ...words], { cwd: tmpdir() });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    child.once('close', (status) => resolve({ status, stdout, stderr }));
  });

describe.each([
  ['this Node', () => []],
  ['the functions of Node 20', () => ['--require', join(folder, 'older.cjs')]],
] as const)('the bundle on %s', (_, flags) => {
  it('prints its help', async () => {
    const { status, stdout, stderr } = await start(['--help'], flags());
    expect(stdout).toContain('Usage: kubectl valetkey [options] [command]');
    expect([status, stderr]).toEqual([0, '']);
  }, 30_000);

  it('loads Cedar and the catalog from its own folder, offline', async () => {
    const files = ['pod.yaml', 'policy.yaml'].map((name) => join(folder, name));
    const platform = ['--platform', join(folder, 'platform.yaml')];
    const { status, stdout, stderr } = await start(['lint', ...platform, ...files], flags());
    expect(stdout).toContain('got "s3:GetObjct"');
    expect(stdout).toMatch(/\nobjects checked: 2, without tasks: 0, faults: 1, warnings: 1\n$/);
    expect([status, stderr]).toEqual([1, '']);
  }, 30_000);

  it('sends requests to the API server of the kubeconfig', async () => {
    const api = await startFakeApiServer();
    const config = join(folder, 'config.json');
    writeFileSync(config, api.config.exportConfig());
    const settings = { 'platform.yaml': PLATFORM };
    api.put('/api/v1/namespaces/valetkey/configmaps/valetkey-platform', { data: settings });
    const { status, stdout, stderr } = await start(['status', '--kubeconfig', config], flags());
    await api.close();
    expect(stdout).toContain('Deployment valetkey-webhook: expected it to exist, got nothing');
    expect([status, stderr]).toEqual([1, '']);
    const gone = await start(['status', '--kubeconfig', config], flags());
    expect(gone).toEqual({
      ...{ status: 3, stdout: '' },
      stderr: 'get configmap valetkey/valetkey-platform: unavailable (ECONNREFUSED)\n',
    });
  }, 30_000);
});

it('starts with the shebang of Node', () => {
  expect(readFileSync(program, 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/);
});
