import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { CommandError, runCommand } from '../../../cluster/command.ts';
import { applyObjects, getJson, runKubectl } from '../../../cluster/kubectl.ts';
import { cluster, createNamespace, testContext } from '../../test-context.ts';

const PROGRAM = join(import.meta.dirname, '../../../../cmd/kubectl-valetkey/main.ts');

type Row = {
  readonly id: string;
  readonly outcome: string;
  readonly problems: readonly string[];
};
type Outcomes = Readonly<Record<string, string>>;

/** Runs `kubectl valetkey check`, which ends with 0 or 1. */
const runCheck = async (
  ...words: readonly string[]
): Promise<{ readonly code: number; readonly rows: readonly Row[] }> => {
  const access = [
    '--kubeconfig',
    cluster.kubeconfig,
    '--installed-in',
    testContext.release.namespace,
  ];
  const args = [PROGRAM, 'check', ...access, '-o', 'json', ...words];
  try {
    const { stdout } = await runCommand(process.execPath, args);
    return { code: 0, ...(JSON.parse(stdout) as { readonly rows: readonly Row[] }) };
  } catch (error) {
    if (!(error instanceof CommandError) || error.exitCode !== 1) throw error;
    return { code: 1, ...(JSON.parse(error.stdout) as { readonly rows: readonly Row[] }) };
  }
};

const toOutcomes = (rows: readonly Row[]): Outcomes =>
  Object.fromEntries(rows.map(({ id, outcome }) => [id, outcome]));

const MUTATOR = 'istio-sidecar-injector-e2e';

/** Calls no webhook: no pod has the label. */
const mutator = {
  apiVersion: 'admissionregistration.k8s.io/v1',
  kind: 'MutatingWebhookConfiguration',
  metadata: { name: MUTATOR },
  webhooks: [
    {
      name: 'e2e.sidecar-injector.example',
      admissionReviewVersions: ['v1'],
      clientConfig: { url: 'https://127.0.0.1:1/inject' },
      failurePolicy: 'Ignore',
      sideEffects: 'None',
      objectSelector: { matchLabels: { 'e2e.valetkey.dev/no-pod': 'true' } },
      rules: [
        { apiGroups: [''], apiVersions: ['v1'], resources: ['pods'], operations: ['CREATE'] },
      ],
    },
  ],
};

const POLICY = ['validatingadmissionpolicy', 'valetkey-bindings'];

const patchPolicy = (validations: readonly unknown[]) =>
  runKubectl(cluster, [
    ...['patch', ...POLICY, '--type', 'merge'],
    ...['-p', JSON.stringify({ spec: { validations } })],
  ]);

describe('kubectl valetkey check', () => {
  let namespace: string;
  let validations: readonly unknown[];

  beforeAll(async () => {
    namespace = await createNamespace('check');
    await runKubectl(cluster, [
      ...['label', 'namespace', namespace],
      'pod-security.kubernetes.io/enforce=restricted',
    ]);
    type Policy = { readonly spec: { readonly validations: readonly unknown[] } };
    validations = (await getJson<Policy>(cluster, POLICY)).spec.validations;
  });

  afterAll(async () => {
    await patchPolicy(validations);
    await runKubectl(cluster, [
      ...['delete', 'mutatingwebhookconfiguration', MUTATOR, '--ignore-not-found'],
    ]);
  });

  it('fails no row of the installation, and injects a pod in a dry run', async () => {
    const { code, rows } = await runCheck('--namespace', namespace);
    expect(rows.filter(({ outcome }) => outcome === 'fail')).toEqual([]);
    expect(toOutcomes(rows)).toMatchObject({
      'api-server': 'pass',
      'native-sidecars': 'pass',
      'clock-skew': 'pass',
      // The test cluster has no storage class.
      'audit-storage': 'warning',
      mutators: 'pass',
      programs: 'pass',
      webhooks: 'pass',
      'admission-policies': 'pass',
      'custom-resources': 'pass',
      'task-policies': 'pass',
      admission: 'pass',
    });
    expect(code).toBe(0);
  });

  it('fails before an installation only for the missing storage class', async () => {
    const { rows } = await runCheck('--pre');
    expect(rows.filter(({ outcome }) => outcome === 'fail').map(({ id }) => id)).toEqual([
      'audit-storage',
    ]);
  });

  it('fails for an admission policy whose rules were edited, until they are restored', async () => {
    await patchPolicy([{ expression: 'true' }]);
    const broken = await runCheck('--namespace', namespace);
    expect(toOutcomes(broken.rows)).toMatchObject({ 'admission-policies': 'fail' });
    expect(broken.code).toBe(1);
    await patchPolicy(validations);
    const restored = await runCheck('--namespace', namespace);
    expect(toOutcomes(restored.rows)).toMatchObject({ 'admission-policies': 'pass' });
  });

  it('warns of a known injector while its configuration exists', async () => {
    await applyObjects(cluster, mutator);
    const found = await runCheck('--namespace', namespace, '--failure-threshold', 'warning');
    const row = found.rows.find(({ id }) => id === 'mutators');
    expect(row?.problems.join()).toContain(`${MUTATOR}: Istio changes pods`);
    expect(found.code).toBe(1);
    await runKubectl(cluster, ['delete', 'mutatingwebhookconfiguration', MUTATOR]);
    const gone = await runCheck('--namespace', namespace);
    expect(toOutcomes(gone.rows)).toMatchObject({ mutators: 'pass' });
  });

  it('warns if policy denies the tasks of the namespace, because the webhook responds', async () => {
    const { rows } = await runCheck('--namespace', 'default');
    const row = rows.find(({ id }) => id === 'admission');
    expect(row).toMatchObject({ outcome: 'warning' });
    expect(row?.problems.join()).toContain('denied the request');
  });
});
