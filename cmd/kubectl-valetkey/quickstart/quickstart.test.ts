import { describe, expect, it } from '@jest/globals';

import type { NamespaceObjects } from '../../../lib/edge/kubernetes/namespace-objects.ts';
import { KubernetesError } from '../../../lib/edge/kubernetes/kubernetes-error.ts';
import type { Mapping } from '../../../lib/schema/mapping.ts';
import { readFixture, runCli, S3_PLATFORM, type CliFixture } from '../fixtures/cli-harness.ts';

const AGENT = 'manifests/quickstart/agent.yaml';
const files = { [AGENT]: readFixture(AGENT) };
const NAMESPACE = {
  metadata: { uid: 'uid-namespace', labels: { 'valetkey.dev/quickstart': 'true' } },
};
const MINIO = {
  metadata: { generation: 2 },
  spec: { replicas: 1 },
  status: { observedGeneration: 2, updatedReplicas: 1, replicas: 1, availableReplicas: 1 },
};

const end = (name: string, exitCode: number) => ({ name, state: { terminated: { exitCode } } });
const waitFor = (name: string, reason: string, message: string) => ({
  ...{ name, image: 'registry.example/a:1', state: { waiting: { reason, message } } },
});
const buildPod = (containerStatuses: readonly object[], injected = 'true'): Mapping => ({
  metadata: { name: 'agent', labels: { 'valetkey.dev/injected': injected } },
  status: { phase: 'Pending', containerStatuses },
});

const DENIED = 'An error occurred (AccessDenied) when calling the GetObject operation: …';

/** A namespace in which all goes well, except for what a test replaces. */
const runQuickstart = async (
  words: readonly string[] = [],
  replaced: Partial<NamespaceObjects> = {},
  fixture: CliFixture = {},
) => {
  const done: unknown[] = [];
  let pods = 1;
  const objects: NamespaceObjects = {
    readNamespace: () => Promise.resolve(NAMESPACE),
    labelNamespace: (labels) => Promise.resolve(void done.push(labels)),
    removeNamespace: () => Promise.reject(new Error('must not be called')),
    writeConfigMap: (name, data) => Promise.resolve(void done.push([name, Object.keys(data)])),
    readDeployment: () => Promise.resolve(MINIO),
    annotatePods: (name, annotations) =>
      Promise.resolve(void done.push([name, Object.keys(annotations)])),
    listPods: () => Promise.resolve([]),
    createPod: () => Promise.resolve((done.push('create'), 'created')),
    readPod: () => Promise.resolve(buildPod([end('allowed', 0), end('refused', 254)])),
    removePod: () => Promise.resolve((pods -= 1) >= 0 ? 'removed' : 'gone'),
    listWarnings: () => Promise.resolve([]),
    readLog: (_, container) => Promise.resolve(container === 'allowed' ? 'a,b\n' : `${DENIED}\n`),
    ...replaced,
  };
  const result = await runCli(['quickstart', ...words], {
    ...{ files, runsTimers: true, ...fixture },
    cluster: { inNamespace: () => objects, ...fixture.cluster },
  });
  return { ...result, done };
};

describe('quickstart', () => {
  it('labels the namespace, lets MinIO trust the authority, replaces the agent and prints both calls', async () => {
    const { code, out, error, done } = await runQuickstart();
    expect(done).toEqual([
      { 'valetkey.dev/tasks': 'allowed' },
      ['valetkey-ca', ['valetkey.crt']],
      ['minio', ['valetkey.dev/quickstart-ca']],
      'create',
    ]);
    expect(out).toContain('allowed: aws s3 cp s3://quickstart/reports/today.csv -\n  a,b\n');
    expect(out).toContain(`private/keys.txt /tmp/keys.txt\n  ${DENIED}\n`);
    expect(out).toContain('\nNext:\n');
    expect(error).toBe('');
    expect(code).toBe(0);
  });

  it('prints the calls as an object with -o json', async () => {
    const { out } = await runQuickstart(['-o', 'json']);
    expect(JSON.parse(out)).toMatchObject({
      namespace: 'quickstart',
      allowed: { isAllowed: true, exitCode: 0, log: 'a,b' },
      refused: { isRefused: true, exitCode: 254 },
    });
  });

  it.each([
    ['the allowed call fails', buildPod([end('allowed', 1), end('refused', 254)]), 'allowed'],
    ['the other call succeeds', buildPod([end('allowed', 0), end('refused', 0)]), 'refused'],
  ])('says how to find the reason if %s', async (_, pod, name) => {
    const { code, out } = await runQuickstart([], { readPod: () => Promise.resolve(pod) });
    expect(out).toContain(`FAILED, expected ${name}: aws `);
    expect(out).toContain('Find the reason:\n  kubectl -n quickstart describe pod agent');
    expect(code).toBe(1);
  });

  it('does not take another failure for a refusal', async () => {
    const { code, out } = await runQuickstart([], { readLog: () => Promise.resolve('no route') });
    expect(out).toContain('FAILED, expected refused: aws s3api');
    expect(code).toBe(1);
  });

  it.each<readonly [string, Partial<NamespaceObjects>, CliFixture, RegExp]>([
    [
      'the namespace is missing',
      { readNamespace: () => Promise.resolve(undefined) },
      {},
      /^namespace quickstart: expected it to exist; kubectl apply .*, got nothing\n$/,
    ],
    [
      'the webhook is not installed',
      {},
      { cluster: { readWebhook: () => Promise.resolve(undefined) } },
      /expected an installation of Valetkey within 20 s, got: no Deployment valetkey-webhook in namespace valetkey: install the chart/,
    ],
    [
      'the authority is not ready',
      {},
      { cluster: { readAuthority: () => Promise.resolve({ ready: 0, wanted: 2 }) } },
      /got: StatefulSet valetkey-authority has no ready replica\nkubectl valetkey status/,
    ],
    [
      'MinIO is missing',
      { readDeployment: () => Promise.resolve(undefined) },
      {},
      /^Deployment quickstart\/minio: expected it to exist; kubectl apply/,
    ],
    [
      'MinIO does not run',
      {
        readDeployment: () => Promise.resolve({ ...MINIO, status: {} }),
        listPods: () => Promise.resolve([buildPod([])]),
        listWarnings: () => Promise.resolve(['earlier', 'configmap "valetkey-ca" not found']),
      },
      {},
      /got: pod agent is Pending; configmap "valetkey-ca" not found\n/,
    ],
    [
      'admission refuses the agent',
      {
        createPod: () =>
          Promise.reject(new KubernetesError('refused', 'create pods', { reason: 'rule 4: …' })),
      },
      {},
      /^create pods: refused \(rule 4: …\)\n$/,
    ],
    [
      'the webhook did not inject the agent',
      { readPod: () => Promise.resolve(buildPod([], '')) },
      {},
      /^pod quickstart\/agent: expected a sidecar, which the webhook adds; kubectl valetkey check .*, got none\n$/,
    ],
    [
      'an image cannot be pulled',
      {
        readPod: () =>
          Promise.resolve(buildPod([waitFor('allowed', 'ImagePullBackOff', 'not found')])),
      },
      {},
      /^pod agent: container allowed: ImagePullBackOff of image "registry.example\/a:1": not found\n$/,
    ],
    [
      'the agent does not start in time',
      {
        readPod: () => Promise.resolve(buildPod([])),
        listWarnings: () => Promise.resolve(['no network']),
      },
      {},
      /expected the calls of the agent within 20 s, got: pod agent is Pending; no network\n/,
    ],
  ])('says why if %s', async (_, replaced, fixture, expected) => {
    const { code, error, out } = await runQuickstart(['--timeout', '20'], replaced, fixture);
    const isProgress = (line: string): boolean => line.startsWith('waiting for ');
    const lines = error.split('\n').filter((line) => !isProgress(line));
    expect(lines.join('\n')).toMatch(expected);
    expect(out).toBe('');
    expect(code).toBe(error.includes('refused (rule') ? 3 : 1);
  });

  it('prints progress while a step takes over a second, and then every ten', async () => {
    const { error } = await runQuickstart(['--timeout', '20'], {
      readPod: () => Promise.resolve(buildPod([])),
    });
    expect(error.match(/^waiting for .*$/gm)).toEqual([
      'waiting for the calls of the agent, 1 s: pod agent is Pending',
      'waiting for the calls of the agent, 11 s: pod agent is Pending',
    ]);
  });

  it.each([
    ['no Pod', 'kind: Namespace\napiVersion: v1\nmetadata: {name: a}'],
    ['a Pod without these containers', readFixture(AGENT).replace('name: refused', 'name: other')],
    ['a Pod without a namespace', readFixture(AGENT).replace('  namespace: quickstart\n', '')],
  ])('refuses a file with %s', async (_, text) => {
    const { code, error } = await runQuickstart([], {}, { files: { [AGENT]: text } });
    expect(error).toContain('expected one Pod with a namespace, a task and the containers');
    expect(code).toBe(2);
  });

  it.each(['0', '1.5', 'x'])('refuses the timeout %s', async (timeout) => {
    const { code, error } = await runQuickstart(['--timeout', timeout]);
    expect(error).toContain('expected 1 to 3600 seconds.');
    expect(code).toBe(2);
  });
});

describe('manifests/quickstart', () => {
  it('passes lint with the settings of a private cloud', async () => {
    const namespace = 'manifests/quickstart/namespace.yaml';
    const { code, out } = await runCli(['lint', '--platform', 'p.yaml', AGENT, namespace], {
      files: { ...files, [namespace]: readFixture(namespace), 'p.yaml': S3_PLATFORM },
    });
    expect(out).toContain('objects checked: 1, without tasks: 4, faults: 0, ');
    expect(code).toBe(0);
  });
});

describe('quickstart --delete', () => {
  it('deletes its namespace, and waits until it is gone', async () => {
    const removed: string[] = [];
    let reads = 0;
    const { code, out, error } = await runQuickstart(['--delete'], {
      readNamespace: () => Promise.resolve((reads += 1) <= 3 ? NAMESPACE : undefined),
      removeNamespace: (uid) => Promise.resolve((removed.push(uid), 'removed')),
    });
    expect(removed).toEqual(['uid-namespace']);
    expect(out).toContain('namespace quickstart is deleted\n');
    expect(error).toContain('waiting for the end of namespace quickstart, 1 s: ');
    expect(code).toBe(0);
  });

  it('is done if there is none', async () => {
    const { code, out } = await runQuickstart(['--delete'], {
      readNamespace: () => Promise.resolve(undefined),
    });
    expect(out).toContain('namespace quickstart did not exist\n');
    expect(code).toBe(0);
  });

  it('deletes no namespace without the label of the manifest', async () => {
    const { code, error } = await runQuickstart(['--delete'], {
      readNamespace: () => Promise.resolve({ metadata: { uid: 'u', labels: {} } }),
    });
    expect(error).toContain('expected the label valetkey.dev/quickstart: "true"');
    expect(code).toBe(1);
  });
});
