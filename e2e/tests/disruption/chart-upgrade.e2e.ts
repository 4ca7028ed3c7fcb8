import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parseAllDocuments } from 'yaml';

import { runCommand } from '../../cluster/command.ts';
import { getJson, runKubectl } from '../../cluster/kubectl.ts';
import { buildChartValues, installRelease } from '../../release.ts';
import {
  cloud,
  cluster,
  createNamespace,
  expectApiRefusal,
  expectRead,
  readReports,
  runPod,
  testContext,
} from '../test-context.ts';

/** The chart of the release before: docs/release.md states how it is replaced. */
const PREVIOUS_CHART = join(import.meta.dirname, '../../fixtures/valetkey-previous.tgz');
const CRDS = join(testContext.release.chart, 'crds');

type Definition = {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly versions: readonly unknown[] };
  readonly status?: { readonly conditions?: readonly { type: string; status: string }[] };
};

/** The command that docs/upgrading.md begins with. */
const applyDefinitions = (yaml: string): Promise<unknown> =>
  runKubectl(cluster, ['apply', '--server-side', '--force-conflicts', '-f', '-'], { input: yaml });

const readCurrentDefinitions = (): string =>
  readdirSync(CRDS)
    .map((name) => readFileSync(join(CRDS, name), 'utf8'))
    .join('\n---\n');

const listNames = (yaml: string): readonly string[] =>
  parseAllDocuments(yaml).flatMap((document) => {
    const definition = document.toJS() as Definition | null;
    return definition === null ? [] : [definition.metadata.name];
  });

const readDefinitions = async (): Promise<readonly Definition[]> => {
  const kind = ['customresourcedefinitions'];
  const { items } = await getJson<{ items: readonly Definition[] }>(cluster, kind);
  return items.filter(({ metadata }) => metadata.name.endsWith('.valetkey.dev'));
};

type PodState = {
  readonly metadata: { readonly uid: string };
  readonly status: {
    readonly initContainerStatuses: readonly { readonly restartCount: number }[];
  };
};
const readWitness = (namespace: string): Promise<PodState> =>
  getJson<PodState>(cluster, ['pod', 'witness', '-n', namespace]);

/** Custom resources that users wrote under the previous chart. */
const buildUserObjects = (name: string): readonly object[] => [
  {
    apiVersion: 'valetkey.dev/v1alpha1',
    kind: 'TaskPolicy',
    metadata: { name },
    spec: { cedar: 'forbid (principal, action, resource) when { false };' },
  },
  {
    apiVersion: 'valetkey.dev/v1alpha1',
    kind: 'Upstream',
    metadata: { name },
    spec: {
      url: 'https://upstream.example',
      present: { header: { name: 'authorization', template: 'Bearer {secret}' } },
      secret: { kubernetes: { name: 'upgrade', key: 'token' } },
    },
  },
];

describe(`upgrade from the previous chart (${cloud.name})`, () => {
  const { release } = testContext;
  let namespace: string;
  let witness: PodState;
  let objects: string;

  beforeAll(async () => {
    namespace = await createNamespace('chart-upgrade');
    const { stdout: shown } = await runCommand(testContext.helm, ['show', 'crds', PREVIOUS_CHART]);
    // Helm writes nothing between documents.
    const previous = shown.replace(/^apiVersion:/gm, '---\n$&');
    const isOld = listNames(previous);
    const added = listNames(readCurrentDefinitions()).filter((name) => !isOld.includes(name));
    await runKubectl(cluster, ['delete', 'customresourcedefinition', ...added]);
    await applyDefinitions(previous);
    // Its templates and its settings, with the programs of today: older ones are not kept.
    await installRelease(
      testContext,
      { ...release, chart: PREVIOUS_CHART },
      buildChartValues(testContext),
    );
    objects = JSON.stringify({
      ...{ apiVersion: 'v1', kind: 'List' },
      items: buildUserObjects(namespace),
    });
    await runKubectl(cluster, ['apply', '-f', '-'], { input: objects });
    await runPod({ name: 'witness', namespace: namespace, tasks: { read: readReports } });
    await expectRead({ namespace, pod: 'witness' });
    witness = await readWitness(namespace);
    await applyDefinitions(readCurrentDefinitions());
    await installRelease(testContext, release, buildChartValues(testContext));
  });

  // Its Secret does not exist: an Upstream that is not ready is a problem for later tests.
  afterAll(() => runKubectl(cluster, ['delete', '-f', '-'], { input: objects }));

  it('leaves running pods and their credentials', async () => {
    await expectRead({ namespace, pod: 'witness' });
    expect(await readWitness(namespace)).toMatchObject({
      metadata: { uid: witness.metadata.uid },
      status: { initContainerStatuses: [{ restartCount: 0 }] },
    });
  });

  it('still admits changes of running pods, and new pods', async () => {
    await runKubectl(cluster, ['label', 'pod', 'witness', '-n', namespace, 'still=valid']);
    await runPod({ name: 'newcomer', namespace, tasks: { read: readReports } });
    await expectRead({ namespace, pod: 'newcomer' });
  });

  it('establishes the definitions of this chart, and no object becomes invalid', async () => {
    const definitions = await readDefinitions();
    const names = definitions.map(({ metadata }) => metadata.name);
    expect(names.toSorted()).toEqual(listNames(readCurrentDefinitions()).toSorted());
    for (const { status } of definitions) {
      expect(status?.conditions).toContainEqual(
        expect.objectContaining({ type: 'Established', status: 'True' }),
      );
    }
    await runKubectl(cluster, ['apply', '--dry-run=server', '-f', '-'], { input: objects });
  });

  it('applies the admission policies that this chart adds', async () => {
    const message = await expectApiRefusal({
      apiVersion: 'valetkey.dev/v1alpha1',
      kind: 'Approval',
      metadata: { name: 'forged', namespace, labels: { 'valetkey.dev/request': 'other' } },
      spec: {
        request: { name: `ar-${'0'.repeat(20)}`, uid: 'u-1', digest: '0'.repeat(64) },
        ...{ group: 'g', decision: 'approve', by: 'someone' },
      },
    });
    expect(message).toContain('valetkey-approvals');
  });
});
