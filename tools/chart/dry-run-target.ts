import { randomBytes } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { waitFor } from '../../test/kit/retry.ts';
import { applyObjects, runKubectl } from '../../e2e/cluster/kubectl.ts';
import { runInside } from '../../e2e/cluster/network-namespace.ts';
import type { ClusterAccess } from '../../e2e/cluster/cluster-file.ts';
import { SECRETS_NAMESPACE } from './chart-case.ts';
import { CHART, withRequired } from './helm.ts';
import { findChangedDelivery } from './delivery-check.ts';
import { findLostData } from './upgrade-check.ts';
import { readObjects, type KubernetesObject } from '../../test/kit/kubernetes-objects.ts';

/** The chart's CRDs, which Helm installs first, and reduced ones of other products. */
const DEFINITIONS = [join(CHART, 'crds'), join(import.meta.dirname, 'fixtures')];

/** A namespace on a real API server where renderings are tried; it is deleted afterwards. */
export type DryRunTarget = {
  /** An existing namespace to render for. */
  readonly namespace: string;
  /**
   * Validates objects, each once: most renderings differ in few.
   *
   * @param expected texts of warnings, each of which must occur
   * @throws Error with the API server's errors, or with other warnings
   */
  readonly dryRun: (
    objects: readonly KubernetesObject[],
    expected: readonly string[],
  ) => Promise<void>;
  /** Renders the notes of an installation with these values: each takes a second. */
  readonly notes: (values: object) => Promise<string>;
  /** Objects that lost their data in an upgrade; this one installs them for real. */
  readonly findLostData: () => Promise<readonly string[]>;
  /** Upgrades that changed the delivery of an installation. */
  readonly findChangedDelivery: () => Promise<readonly string[]>;
  readonly end: () => Promise<void>;
};

/**
 * Creates a namespace that warns about pods that are not restricted, that of upstream secrets, and the CRDs
 * that are missing in the cluster. `end` deletes them.
 */
export const startDryRunTarget = async (
  cluster: ClusterAccess,
  helm: string,
): Promise<DryRunTarget> => {
  const namespace = `valetkey-trial-${randomBytes(4).toString('hex')}`;
  const definitions = await listMissingDefinitions(cluster);
  const namespaces = [namespace, SECRETS_NAMESPACE];
  await applyObjects(cluster, [...definitions, ...namespaces.map(createTrialNamespace)]);
  for (const { metadata } of definitions) {
    await waitFor(`${metadata.name} to be served`, async () => {
      await runKubectl(cluster, ['get', metadata.name, '-A']);
      return true;
    });
  }
  const valid = new Set<string>();
  return {
    namespace,
    dryRun: async (objects, expected) => {
      const unknown = objects.filter((object) => !valid.has(JSON.stringify(object)));
      // A warning may be about an object that is known.
      const sent = expected.length > 0 ? objects : unknown;
      if (sent.length > 0) await applyDryRun(cluster, sent, expected);
      for (const object of sent) valid.add(JSON.stringify(object));
    },
    notes: (values) => readNotes(cluster, helm, values),
    findLostData: () => findLostData({ cluster, helm, namespace }),
    findChangedDelivery: () => findChangedDelivery({ cluster, helm, namespace }),
    end: async () => {
      await runKubectl(cluster, ['delete', 'namespace', '--wait=false', ...namespaces]);
      // The next installation of the chart must not meet a definition that is about to be deleted.
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

/** Lists the missing CRDs. Existing CRDs are complete and are never replaced. */
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
  expected: readonly string[],
): Promise<void> => {
  const list = { apiVersion: 'v1', kind: 'List', items: objects };
  const args = ['apply', '--dry-run=server', '--validate=strict', '-f', '-'];
  const { stderr } = await runKubectl(cluster, args, { input: JSON.stringify(list) });
  const warnings = stderr.split('\n').filter((line) => line !== '' && !isAboutApply(line));
  const isExpected = (line: string) => expected.some((text) => line.includes(text));
  const faults = [
    ...warnings.filter((line) => !isExpected(line)),
    ...expected
      .filter((text) => !warnings.some((line) => line.includes(text)))
      .map((text) => `expected a warning with “${text}”, got none`),
  ];
  if (faults.length > 0) throw new Error(faults.join('; '));
};

/** `kubectl apply` warns so about objects that it did not create. */
const isAboutApply = (line: string): boolean => line.includes('last-applied-configuration');

/** Helm prints notes only during installation, and needs a cluster even for a dry run. */
const readNotes = async (cluster: ClusterAccess, helm: string, values: object): Promise<string> => {
  const args = ['--kubeconfig', cluster.kubeconfig, 'install', 'valetkey-trial', CHART];
  args.push('--dry-run=client', '-f', '-');
  const input = JSON.stringify(withRequired(values));
  return (await runInside(cluster.namespace, helm, args, { input })).stdout;
};
