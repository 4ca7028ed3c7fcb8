import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parse, stringify } from 'yaml';

import { CommandError, runCommand } from '../../../cluster/command.ts';
import { applyObjects, getJson, runKubectl } from '../../../cluster/kubectl.ts';
import { waitFor } from '../../../../test/kit/retry.ts';
import { deletePolicies, readPolicies, restorePolicies } from '../../authority/task-policies.ts';
import { replaceWithoutRepair } from '../../irreparable-bundles.ts';
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

const home = ['-n', testContext.release.namespace];
const CRDS = join(import.meta.dirname, '../../../../charts/valetkey/crds');

/** A broken object of the cluster. */
type Fault = {
  readonly cause: () => Promise<unknown>;
  /** Also after a cause that failed halfway. */
  readonly end: () => Promise<unknown>;
  /** Restores what the preparation changed. */
  readonly restore?: () => Promise<unknown>;
};
type PrepareFault = (namespace: string) => Fault | Promise<Fault>;

const labelNamespace = (namespace: string, level: string) =>
  runKubectl(cluster, [
    ...['label', 'namespace', namespace, '--overwrite'],
    `pod-security.kubernetes.io/enforce=${level}`,
  ]);

const scaleWebhook = async (replicas: number): Promise<void> => {
  const args = ['deployment/valetkey-webhook', ...home];
  await runKubectl(cluster, ['scale', ...args, `--replicas=${replicas}`]);
};

/** A third replica that no node takes. */
const leaveReplicaPending: PrepareFault = async () => {
  const { items } = await getJson<{ items: { metadata: { name: string } }[] }>(cluster, ['nodes']);
  const nodes = items.map(({ metadata }) => metadata.name);
  return {
    cause: async () => {
      await runKubectl(cluster, ['cordon', ...nodes]);
      await scaleWebhook(3);
    },
    end: async () => {
      await runKubectl(cluster, ['uncordon', ...nodes]);
      await scaleWebhook(2);
    },
  };
};

const removeCaBundle: PrepareFault = () => replaceWithoutRepair('webhook', '');

const removeDefinition: PrepareFault = () => ({
  cause: () => runKubectl(cluster, ['delete', 'crd', 'taskproposals.valetkey.dev']),
  end: () => applyObjects(cluster, readFileSync(join(CRDS, 'taskproposals.yaml'), 'utf8')),
});

const removePolicies: PrepareFault = async () => {
  const policies = await readPolicies();
  return {
    cause: () => deletePolicies(policies.map(({ metadata }) => metadata.name)),
    end: () => restorePolicies(policies),
  };
};

type PlatformText = { readonly cloud: object; readonly tasks: object };

/** The issuer of the tests is private: clouds of AWS could not read it. Programs read settings at their start only. */
const claimAws: PrepareFault = async () => {
  const settings = ['configmap', 'valetkey-platform', ...home];
  const { data } = await getJson<{ data: Readonly<Record<string, string>> }>(cluster, settings);
  const text = data['platform.yaml'] ?? '';
  const { cloud, tasks, ...others } = parse(text) as PlatformText;
  // Settings for AWS are invalid without accounts.
  const changed = stringify({
    ...others,
    cloud: { ...cloud, dialect: 'aws' },
    tasks: { ...tasks, accountIds: ['111122223333'] },
  });
  const change = (value: string) => {
    const patch = JSON.stringify({ data: { 'platform.yaml': value } });
    return runKubectl(cluster, ['patch', ...settings, '--type', 'merge', '-p', patch]);
  };
  return { cause: () => change(changed), end: () => change(text) };
};

type NetworkPolicy = { readonly spec: { readonly ingress: readonly object[] } };

/** The chart opens the port only for peers that its values name; those of the tests name none. */
const closeMetricsPort: PrepareFault = async () => {
  const policy = ['networkpolicy', 'valetkey-webhook', ...home];
  const { ingress } = (await getJson<NetworkPolicy>(cluster, policy)).spec;
  const setIngress = (rules: readonly object[]) => {
    const patch = JSON.stringify({ spec: { ingress: rules } });
    return runKubectl(cluster, ['patch', ...policy, '--type', 'merge', '-p', patch]);
  };
  const close = () => setIngress(ingress);
  const open = () => setIngress([...ingress, { ports: [{ port: 9444, protocol: 'TCP' }] }]);
  await open();
  return { cause: close, end: open, restore: close };
};

const permitPrivileged: PrepareFault = (namespace) => ({
  cause: () => labelNamespace(namespace, 'privileged'),
  end: () => labelNamespace(namespace, 'restricted'),
});

type RowBreak = {
  readonly id: string;
  readonly outcome: string;
  readonly problem: RegExp;
  readonly prepare: PrepareFault;
};

const ROW_BREAKS: readonly RowBreak[] = [
  {
    ...{ id: 'programs', outcome: 'fail', prepare: leaveReplicaPending },
    problem: /Deployment valetkey-webhook: expected 3 ready replicas, got 2/,
  },
  {
    ...{ id: 'webhooks', outcome: 'fail', prepare: removeCaBundle },
    problem: /mutate\.valetkey\.dev, caBundle: expected a CA certificate, got nothing/,
  },
  {
    ...{ id: 'custom-resources', outcome: 'fail', prepare: removeDefinition },
    problem: /CustomResourceDefinition taskproposals\.valetkey\.dev: expected it to exist/,
  },
  {
    ...{ id: 'task-policies', outcome: 'fail', prepare: removePolicies },
    problem: /TaskPolicies: expected at least one, got none/,
  },
  {
    ...{ id: 'issuer', outcome: 'fail', prepare: claimAws },
    problem: /issuer: expected an https URL that AWS reaches from the internet/,
  },
  {
    ...{ id: 'scraping', outcome: 'warning', prepare: closeMetricsPort },
    problem: /NetworkPolicy valetkey-webhook: expected an ingress rule for port 9444/,
  },
  {
    ...{ id: 'pod-security', outcome: 'warning', prepare: permitPrivileged },
    problem: /namespace check-\S+: expected \S+ baseline or restricted, got privileged/,
  },
];

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

  (testContext.isFull ? it : it.skip).each(ROW_BREAKS)(
    'reports $id as $outcome while an object of the cluster is broken, until it is restored',
    async ({ id, outcome, problem, prepare }) => {
      const findProblems = async () => {
        const { rows } = await runCheck('--namespace', namespace);
        const row = rows.find((each) => each.id === id);
        return { outcome: row?.outcome, problems: row?.problems.join('\n') ?? '' };
      };
      const { cause, end, restore = () => Promise.resolve() } = await prepare(namespace);
      try {
        expect((await findProblems()).problems).not.toMatch(problem);
        const broken = await cause().then(findProblems).finally(end);
        expect(broken).toEqual({ outcome, problems: expect.stringMatching(problem) });
        await waitFor(`the restored row ${id}`, async () => {
          const restored = await findProblems();
          if (problem.test(restored.problems)) throw new Error(restored.problems);
          return true;
        });
      } finally {
        await restore();
      }
    },
    180_000,
  );
});
