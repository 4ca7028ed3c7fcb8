import { rmSync } from 'node:fs';
import { waitFor } from '../../test/kit/retry.ts';
import type { Cluster } from './cluster-file.ts';
import { etcdUrl, getEtcdFolder, waitForApiServer } from './control-plane.ts';
import { etcdctlPackages } from './debian-packages.ts';
import { runKubectl } from './kubectl.ts';
import { runInside } from './network-namespace.ts';
import { restartProgram, suspendProgram } from './processes.ts';

/** What else has a cache of the API server's objects: Kubernetes asks to restart it after a restore of etcd. */
const CACHING_PROGRAMS = [
  'kube-controller-manager',
  'kube-scheduler',
  'kubelet',
  'kube-proxy',
  'coredns',
];

const runEtcdctl = ({ namespace }: Cluster, args: string[]) =>
  runInside(namespace, etcdctlPackages['etcd-client'] ?? '', args, {
    env: { ETCDCTL_API: '3' },
  });

/** Writes a snapshot of the running etcd to a file. */
export const saveSnapshot = (node: Cluster, file: string) =>
  runEtcdctl(node, ['--endpoints', etcdUrl, 'snapshot', 'save', file]);

/** When the API server did not answer, in milliseconds since the epoch. */
export type ApiServerOutage = { readonly from: number; readonly to: number };

/**
 * Restores etcd from a snapshot, as an operator does: stops the API server and etcd, replaces etcd's data, and starts
 * both. To be followed by {@link restartCachingPrograms}.
 *
 * @param meanwhile runs while nothing answers
 */
export const restoreSnapshot = async (
  node: Cluster,
  file: string,
  meanwhile: () => Promise<unknown> = () => Promise.resolve(),
): Promise<ApiServerOutage> => {
  const from = Date.now();
  const startApiServer = await suspendProgram(node, 'kube-apiserver');
  const startEtcd = await suspendProgram(node, 'etcd');
  const data = getEtcdFolder(node);
  rmSync(data, { recursive: true });
  await runEtcdctl(node, ['snapshot', 'restore', file, '--data-dir', data]);
  await meanwhile();
  startEtcd();
  await waitForApiServer(node, startApiServer(), { timeoutMs: 180_000 });
  return { from, to: Date.now() };
};

/** Restarts what else of Kubernetes has a cache. No pod is restarted. */
export const restartCachingPrograms = async (node: Cluster): Promise<void> => {
  for (const name of CACHING_PROGRAMS) await restartProgram(node, name);
  await waitFor('the node to be Ready', () =>
    runKubectl(node, ['wait', '--for=condition=Ready', `node/${node.nodeName}`, '--timeout=5s']),
  );
};
