import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, it } from '@jest/globals';

import { loadUserCluster } from './kubeconfig.ts';

let folder: string;
let kubeconfig: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'valetkey-kubeconfig-'));
  kubeconfig = join(folder, 'config');
  writeFileSync(
    kubeconfig,
    `apiVersion: v1
kind: Config
current-context: here
clusters:
  - {name: one, cluster: {server: "https://one.example"}}
  - {name: two, cluster: {server: "https://two.example"}}
users: [{name: me, user: {token: secret-token}}]
contexts:
  - {name: here, context: {cluster: one, user: me, namespace: research}}
  - {name: there, context: {cluster: two, user: me}}
  - {name: nowhere, context: {cluster: three, user: me}}
`,
  );
});
afterAll(() => rmSync(folder, { recursive: true }));

const loadServer = (context?: string): unknown => {
  const opened = loadUserCluster({ kubeconfig, ...(context !== undefined && { context }) });
  if (!opened.ok) return opened.faults;
  const { config, namespace } = opened.value;
  return [config.getCurrentCluster()?.server, namespace];
};

it('loadUserCluster uses the current context or the requested one', () => {
  expect(loadServer()).toEqual(['https://one.example', 'research']);
  expect(loadServer('there')).toEqual(['https://two.example', 'default']);
});

it.each(['prod', 'nowhere'])(
  'loadUserCluster lists the existing contexts when %s does not exist',
  (context) => {
    const expected = 'a context of the kubeconfig: here, there, nowhere';
    expect(loadServer(context)).toEqual([{ path: '--context', expected, got: `"${context}"` }]);
  },
);

it('loadUserCluster names a missing file', () => {
  const opened = loadUserCluster({ kubeconfig: join(folder, 'gone') });
  expect(opened).toMatchObject({ faults: [{ got: `no file "${join(folder, 'gone')}"` }] });
});

it('loadUserCluster does not quote an invalid file', () => {
  const broken = join(folder, 'broken');
  writeFileSync(broken, 'users: [{token: secret-token');
  const opened = loadUserCluster({ kubeconfig: broken });
  expect(opened).toMatchObject({ ok: false, faults: [{ path: '--kubeconfig' }] });
  expect(JSON.stringify(opened)).not.toContain('secret');
});
