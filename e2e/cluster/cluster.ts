import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitFor } from '../../test/kit/retry.ts';
import {
  serviceAddress,
  startApiServer,
  startControllers,
  waitForApiServer,
} from './control-plane.ts';
import { installDebianPackages } from './debian-packages.ts';
import { startDns } from './dns.ts';
import { stopTestCluster } from './teardown.ts';
import { writeBusyboxRoot, loadImage } from './images.ts';
import { publishIssuer, buildServiceAccountJwk, startIssuerProxy } from './issuer-documents.ts';
import { Interrupted, runUntilInterrupted } from './interrupt.ts';
import { getJson, runKubectl } from './kubectl.ts';
import { createNamespace, issuerAddress, nodeAddress } from './network-namespace.ts';
import { startContainerd, startNode } from './node.ts';
import { createPki, buildKubeconfig } from './pki.ts';
import type { Pki } from './pki.ts';
import { checkPrerequisites } from './prerequisites.ts';
import { listRecordedPrograms, addLog } from './processes.ts';
import { buildPrograms } from './programs.ts';
import type { KubernetesVersion, ProgramName, Programs } from './programs.ts';
import { startProgress } from './progress.ts';
import type { Progress } from './progress.ts';
import { getClusterFilePath, writeCluster } from './cluster-file.ts';
import type { Cluster } from './cluster-file.ts';
import { readSysctls } from './sysctls.ts';

export { stopTestCluster } from './teardown.ts';
export { readCluster } from './cluster-file.ts';
export type { Cluster, ClusterAccess } from './cluster-file.ts';

export type UpOptions = {
  /** Folder of the cluster: empty or absent, with a short path; default: a new temporary one. */
  folder?: string;
  progress?: Progress;
  /** Programs to build; default: all. */
  programs?: readonly ProgramName[];
  /** Version of Kubernetes; default: the newest one. */
  kubernetes?: KubernetesVersion;
};

/** Installs, builds and starts a cluster: a Ready node, DNS and the `default` service account. Removes it on errors. */
export async function startTestCluster(options: UpOptions = {}): Promise<Cluster> {
  const progress = options.progress ?? startProgress();
  const faults = checkPrerequisites();
  if (faults.length > 0) throw new Error(`this machine lacks:\n- ${faults.join('\n- ')}`);
  const [programs] = await Promise.all([
    buildPrograms(progress, options.programs, options.kubernetes),
    installDebianPackages(progress),
  ]);
  const cluster = planCluster(createClusterFolder(options.folder), programs);
  writeCluster(cluster);
  try {
    await runUntilInterrupted(startCluster(cluster, progress));
    return cluster;
  } catch (error) {
    const isFault = !(error instanceof Interrupted);
    const explained = isFault ? addLogs(cluster, error) : error;
    await stopTestCluster(cluster, { keepFolder: isFault });
    throw explained;
  }
}

async function startCluster(cluster: Cluster, progress: Progress): Promise<void> {
  await createNamespace(cluster.namespace);
  const pki = await createPki({
    folder: join(cluster.folder, 'pki'),
    nodeName: cluster.nodeName,
    nodeAddress,
    issuerAddress,
    serviceAddress,
  });
  const kubeconfigs = writeKubeconfigs(cluster, pki);
  progress(`namespace ${cluster.namespace} and certificates made`);
  const apiServer = startApiServer(cluster, pki);
  startIssuer(cluster, pki);
  await Promise.all([
    waitForApiServer(cluster, apiServer).then(() => {
      progress('apiserver ready');
    }),
    prepareImages(cluster, progress),
  ]);
  startControllers(cluster, pki, kubeconfigs);
  startNode(cluster, pki, kubeconfigs);
  await startDns(cluster);
  progress('DNS ready');
  await waitForNode(cluster);
  progress('node Ready');
}

function planCluster(folder: string, programs: Programs): Cluster {
  const namespace = `vk-${randomBytes(3).toString('hex')}`;
  const inFolder = (name: string): string => join(folder, name);
  return {
    folder,
    namespace,
    kubeconfig: inFolder('kubeconfig'),
    kubectlProgram: programs.kubectl,
    nodeName: 'valetkey',
    nodeAddress,
    apiServer: `https://${nodeAddress}:6443`,
    caCertificate: inFolder('pki/ca.crt'),
    caKey: inFolder('pki/ca.key'),
    issuer: `https://${issuerAddress}/k8s`,
    issuerFolder: inFolder('issuer'),
    clusterSigningKey: inFolder('pki/service-accounts.key'),
    clusterSigningCertificate: inFolder('pki/service-accounts.crt'),
    auditLog: inFolder('audit.log'),
    podsFolder: inFolder('kubelet/pods'),
    podLogsFolder: inFolder('pod-logs'),
    logsFolder: inFolder('logs'),
    containerdSocket: inFolder('containerd/containerd.sock'),
    cgroup: namespace,
    programs,
    sysctls: readSysctls(),
  };
}

function createClusterFolder(wanted: string | undefined): string {
  if (wanted === undefined) return mkdtempSync(join(tmpdir(), 'valetkey-'));
  if (existsSync(getClusterFilePath(wanted)))
    throw new Error(`${getClusterFilePath(wanted)} exists: run \`down\` for that cluster first`);
  mkdirSync(wanted, { recursive: true });
  return wanted;
}

function writeKubeconfigs(cluster: Cluster, pki: Pki): Record<string, string> {
  const files = Object.entries(pki.clients).map(([name, client]) => {
    const file =
      name === 'admin' ? cluster.kubeconfig : join(cluster.folder, 'pki', `${name}.kubeconfig`);
    writeFileSync(file, buildKubeconfig(cluster.apiServer, pki.ca.certificate, client), {
      mode: 0o600,
    });
    return [name, file];
  });
  return Object.fromEntries(files) as Record<string, string>;
}

function startIssuer(cluster: Cluster, pki: Pki): void {
  publishIssuer(cluster.issuerFolder, cluster.issuer, 'RS256', [
    buildServiceAccountJwk(pki.serviceAccounts),
  ]);
  const { folder, namespace, issuerFolder: documents } = cluster;
  startIssuerProxy({ folder, namespace, address: issuerAddress, documents, tls: pki.issuer });
}

async function prepareImages(cluster: Cluster, progress: Progress): Promise<void> {
  const rootFolder = join(cluster.folder, 'images', 'busybox');
  await Promise.all([startContainerd(cluster), writeBusyboxRoot(rootFolder)]);
  const sleep = ['/bin/busybox', 'sleep', '2147483647'];
  await loadImage({ cluster, name: 'pause:1', rootFolder, entrypoint: sleep });
  await loadImage({ cluster, name: 'busybox:1', rootFolder, command: ['/bin/sh'] });
  progress('containerd ready, images localhost/pause:1 and localhost/busybox:1 loaded');
}

type Node = { status: { conditions: { type: string; status: string; message: string }[] } };

async function waitForNode(cluster: Cluster): Promise<void> {
  await waitFor('node to be Ready', async () => {
    const { status } = await getJson<Node>(cluster, ['node', cluster.nodeName]);
    const ready = status.conditions.find(({ type }) => type === 'Ready');
    if (ready?.status !== 'True') throw new Error(ready?.message ?? 'no condition Ready yet');
    return true;
  });
  await waitFor('the default service account', () =>
    runKubectl(cluster, ['get', 'serviceaccount', 'default']),
  );
}

/** Shows the end of each log, because the failed program is rarely obvious. */
function addLogs(cluster: Cluster, error: unknown): Error {
  const first = error instanceof Error ? error : new Error(String(error));
  if (first.message.includes('the last lines of')) return first;
  return listRecordedPrograms(cluster.folder)
    .filter(({ log }) => readFileSync(log).length > 0)
    .reduce((explained, { log }) => addLog(explained, log, 4), first);
}
