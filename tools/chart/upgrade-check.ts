import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { ClusterAccess } from '../../e2e/cluster/cluster-file.ts';
import { applyObjects, getJson, runKubectl } from '../../e2e/cluster/kubectl.ts';
import { runInside } from '../../e2e/cluster/network-namespace.ts';
import { formatTitle, type KubernetesObject } from '../../test/kit/kubernetes-objects.ts';
import { STORED_OBJECTS } from '../../test/kit/stored-objects.ts';
import { CHART, KUBE_VERSION } from './helm.ts';

const RELEASE = 'valetkey';
const DATA = { key: 'dmFsdWU=' };

export type Target = {
  readonly cluster: ClusterAccess;
  readonly helm: string;
  readonly namespace: string;
};

/**
 * Installs the objects that programs write, writes data into them as programs do, and returns which objects
 * lost it in an upgrade, a second installation, or `kubectl apply`. Installs only namespaced objects.
 */
export const findLostData = async (target: Target): Promise<readonly string[]> => {
  const chart = copyChart(['_helpers.tpl', 'stored-objects.yaml']);
  try {
    const runHelm = (...args: string[]) =>
      runInside(target.cluster.namespace, target.helm, [
        ...['--kubeconfig', target.cluster.kubeconfig, '--namespace', target.namespace],
        ...args,
      ]);
    await runHelm('install', RELEASE, chart);
    await writeData(target);
    await runHelm('upgrade', RELEASE, chart, '--set', 'image.tag=next');
    const afterUpgrade = await findEmptyObjects(target, 'helm upgrade');
    await runHelm('uninstall', RELEASE);
    await runHelm('install', RELEASE, chart);
    const afterInstall = await findEmptyObjects(target, 'helm uninstall and helm install');
    const { stdout } = await runHelm('template', RELEASE, chart, '--kube-version', KUBE_VERSION);
    await applyObjects(target.cluster, stdout);
    await applyObjects(target.cluster, stdout);
    const afterApply = await findEmptyObjects(target, 'kubectl apply');
    return [...afterUpgrade, ...afterInstall, ...afterApply];
  } finally {
    rmSync(chart, { recursive: true });
  }
};

/**
 * Copies the chart with these templates only: an installation in the same cluster may own the other objects.
 *
 * @returns the folder of the copy, which the caller removes
 */
export const copyChart = (kept: readonly string[]): string => {
  const chart = mkdtempSync(join(tmpdir(), 'valetkey-chart-'));
  cpSync(CHART, chart, { recursive: true });
  const templates = join(chart, 'templates');
  for (const name of readdirSync(templates).filter((each) => !kept.includes(each))) {
    rmSync(join(templates, name), { recursive: true });
  }
  rmSync(join(chart, 'crds'), { recursive: true });
  return chart;
};

const writeData = async ({ cluster, namespace }: Target): Promise<void> => {
  for (const { kind, name } of STORED_OBJECTS) {
    const change = JSON.stringify({ data: DATA });
    await runKubectl(cluster, ['patch', kind, name, '-n', namespace, '--type=merge', '-p', change]);
  }
};

const findEmptyObjects = async (
  { cluster, namespace }: Target,
  step: string,
): Promise<readonly string[]> => {
  const { items } = await getJson<{ items: readonly KubernetesObject[] }>(cluster, [
    ...['configmaps,secrets', '-n', namespace],
  ]);
  const filled = items
    .filter(({ data }) => JSON.stringify(data) === JSON.stringify(DATA))
    .map(formatTitle);
  return STORED_OBJECTS.map(({ kind, name }) => `${kind}/${name}`)
    .filter((title) => !filled.includes(title))
    .map((title) => `${title}: expected the same data after ${step}, got other data`);
};
