import { randomBytes } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { waitFor } from '../../test/kit/retry.ts';
import { applyObjects, runKubectl } from '../../e2e/cluster/kubectl.ts';
import { runInside } from '../../e2e/cluster/network-namespace.ts';
import type { ClusterAccess } from '../../e2e/cluster/cluster-file.ts';
import { CHART, withRequired } from './helm.ts';
import { readObjects, type KubernetesObject } from '../../test/kit/kubernetes-objects.ts';

/** Ours, which Helm would install first, and small ones of what the chart can work with. */
const DEFINITIONS = [join(CHART, 'crds'), join(import.meta.dirname, 'fixtures')];

/** A place on a real API server where renderings are tried and nothing is kept. */
export type DryRunTarget = {
  /** A namespace that exists, to be rendered for. */
  readonly namespace: string;
  /** Throws with the API server's words; a warning counts, too. */
  readonly dryRun: (objects: readonly KubernetesObject[]) => Promise<void>;
  /** What an installation with these values would say. */
  readonly notes: (values: object) => Promise<string>;
  readonly end: () => Promise<void>;
};

/**
 * Makes a namespace that warns of pods which are not restricted, and those of our small CRDs that the
 * cluster lacks; `end` takes all of it away again.
 */
export const startDryRunTarget = async (
  cluster: ClusterAccess,
  helm: string,
): Promise<DryRunTarget> => {
  const namespace = `valetkey-trial-${randomBytes(4).toString('hex')}`;
  const definitions = await listMissingDefinitions(cluster);
  await applyObjects(cluster, [...definitions, createTrialNamespace(namespace)]);
  for (const { metadata } of definitions) {
    await waitFor(`${metadata.name} to be served`, async () => {
      await runKubectl(cluster, ['get', metadata.name, '-A']);
      return true;
    });
  }
  return {
    namespace,
    dryRun: (objects) => applyDryRun(cluster, objects),
    notes: (values) => readNotes(cluster, helm, values),
    end: async () => {
      await runKubectl(cluster, ['delete', '--wait=false', `namespace/${namespace}`]);
      // Whoever installs the chart next must not meet a definition that is about to go.
      const names = definitions.map(({ metadata }) => `crd/${metadata.name}`);
      if (names.length > 0) await runKubectl(cluster, ['delete', ...names]);
    },
  };
};

const createTrialNamespace = (name: string): object => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name, labels: { 'pod-security.kubernetes.io/warn': 'restricted' } },
});

/** A cluster's own definitions are better than our small ones, and are never replaced. */
const listMissingDefinitions = async (
  cluster: ClusterAccess,
): Promise<readonly KubernetesObject[]> => {
  const files = DEFINITIONS.flatMap((folder) =>
    readdirSync(folder).map((file) => readFileSync(join(folder, file), 'utf8')),
  );
  const definitions = files.flatMap(readObjects);
  const { stdout } = await runKubectl(cluster, ['get', 'crd', '-o', 'name']);
  return definitions.filter(({ metadata }) => !stdout.includes(`/${metadata.name}\n`));
};

const applyDryRun = async (
  cluster: ClusterAccess,
  objects: readonly KubernetesObject[],
): Promise<void> => {
  const list = { apiVersion: 'v1', kind: 'List', items: objects };
  const args = ['apply', '--dry-run=server', '--validate=strict', '-f', '-'];
  const { stderr } = await runKubectl(cluster, args, { input: JSON.stringify(list) });
  const warnings = stderr.split('\n').filter((line) => line !== '' && !isAboutApply(line));
  if (warnings.length > 0) throw new Error(warnings.join('; '));
};

/** `kubectl apply` says so where the cluster has an object that something else made. */
const isAboutApply = (line: string): boolean => line.includes('last-applied-configuration');

/** Helm prints a chart's notes only when it installs, and asks a cluster even for a dry run. */
const readNotes = async (cluster: ClusterAccess, helm: string, values: object): Promise<string> => {
  const args = ['--kubeconfig', cluster.kubeconfig, 'install', 'valetkey-trial', CHART];
  args.push('--dry-run=client', '-f', '-');
  const input = JSON.stringify(withRequired(values));
  return (await runInside(cluster.namespace, helm, args, { input })).stdout;
};
