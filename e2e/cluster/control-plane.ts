import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { WaitOptions } from '../../test/kit/retry.ts';
import { runKubectl } from './kubectl.ts';
import { startProgram, waitForProgram } from './processes.ts';
import type { Program } from './processes.ts';
import type { ProgramName } from './programs.ts';
import type { Cluster } from './cluster-file.ts';
import type { Pki } from './pki.ts';

export const serviceRange = '10.0.0.0/24';
export const serviceAddress = '10.0.0.1';

/** Of the only etcd, in the cluster's network namespace. */
export const etcdUrl = 'http://127.0.0.1:2379';

export const getEtcdFolder = ({ folder }: Pick<Cluster, 'folder'>): string => join(folder, 'etcd');

/** Starts etcd and the API server; `waitForApiServer` waits for both. */
export function startApiServer(cluster: Cluster, pki: Pki): Program {
  startNamedProgram(cluster, 'etcd', '/usr/bin/etcd', {
    'data-dir': getEtcdFolder(cluster),
    'listen-client-urls': etcdUrl,
    'advertise-client-urls': etcdUrl,
    'listen-peer-urls': 'http://127.0.0.1:2380',
    'unsafe-no-fsync': 'true',
    logger: 'zap',
  });
  return startComponent(cluster, 'kube-apiserver', {
    ...buildServingFlags(cluster, pki),
    ...buildTokenFlags(cluster, pki),
    ...buildAuditFlags(cluster),
  });
}

export async function waitForApiServer(
  cluster: Cluster,
  apiServer: Program,
  options: WaitOptions = {},
): Promise<void> {
  const probe = async (): Promise<boolean> => {
    const { stdout } = await runKubectl(cluster, ['get', '--raw', '/readyz'], { timeoutMs: 5_000 });
    return stdout === 'ok';
  };
  await waitForProgram(apiServer, probe, options);
}

/** Starts controllers and the scheduler, which wait only briefly for the API server. */
export function startControllers(
  cluster: Cluster,
  pki: Pki,
  kubeconfigs: Record<string, string>,
): void {
  startComponent(cluster, 'kube-controller-manager', {
    kubeconfig: kubeconfigs['kube-controller-manager'] ?? '',
    'bind-address': '127.0.0.1',
    'cluster-signing-cert-file': pki.ca.certificate,
    'cluster-signing-key-file': pki.ca.key,
    'flex-volume-plugin-dir': join(cluster.folder, 'kubelet', 'volume-plugins'),
    'leader-elect': 'false',
    // It requests a token for each controller, which takes 4 s at the default rate.
    'kube-api-qps': '200',
    'kube-api-burst': '400',
    'root-ca-file': pki.ca.certificate,
    'service-account-private-key-file': pki.serviceAccounts.key,
    'use-service-account-credentials': 'true',
  });
  startComponent(cluster, 'kube-scheduler', {
    kubeconfig: kubeconfigs['kube-scheduler'] ?? '',
    'bind-address': '127.0.0.1',
    'leader-elect': 'false',
  });
}

function buildServingFlags(cluster: Cluster, pki: Pki): Record<string, string> {
  return {
    'advertise-address': cluster.nodeAddress,
    'allow-privileged': 'true',
    'authorization-mode': 'Node,RBAC',
    'bind-address': cluster.nodeAddress,
    'client-ca-file': pki.ca.certificate,
    'enable-admission-plugins': 'NodeRestriction',
    'enable-aggregator-routing': 'true',
    'etcd-servers': etcdUrl,
    'kubelet-certificate-authority': pki.ca.certificate,
    'kubelet-client-certificate': pki.clients['kubelet-client'].certificate,
    'kubelet-client-key': pki.clients['kubelet-client'].key,
    'kubelet-preferred-address-types': 'InternalIP',
    profiling: 'false',
    'secure-port': '6443',
    'service-cluster-ip-range': serviceRange,
    'tls-cert-file': pki.apiserver.certificate,
    'tls-private-key-file': pki.apiserver.key,
  };
}

function buildTokenFlags(cluster: Cluster, pki: Pki): Record<string, string> {
  return {
    'service-account-issuer': cluster.issuer,
    'service-account-jwks-uri': `${cluster.issuer}/jwks`,
    'service-account-key-file': pki.serviceAccounts.publicKey,
    'service-account-signing-key-file': pki.serviceAccounts.key,
  };
}

/** Records whole bodies of pods and Events, so that a test can search them for secrets; of others, metadata. */
function buildAuditFlags(cluster: Cluster): Record<string, string> {
  const policyFile = join(cluster.folder, 'audit-policy.json');
  const policy = {
    apiVersion: 'audit.k8s.io/v1',
    kind: 'Policy',
    omitStages: ['RequestReceived'],
    rules: [
      // Metadata only for the load tests: their bodies would fill the log and distort measurements.
      {
        level: 'Metadata',
        namespaces: ['load-minio', 'killed-minio'],
        resources: [{ group: '', resources: ['pods'] }],
      },
      {
        level: 'RequestResponse',
        resources: [
          { group: '', resources: ['pods', 'pods/*', 'events'] },
          { group: 'events.k8s.io', resources: ['events'] },
        ],
      },
      { level: 'Metadata' },
    ],
  };
  writeFileSync(policyFile, JSON.stringify(policy));
  // Megabytes until rotation: large, because the whole log is searched as one file.
  const whole = { 'audit-log-maxsize': '100000' };
  return { 'audit-policy-file': policyFile, 'audit-log-path': cluster.auditLog, ...whole };
}

/** Starts a program that we build, with its flags, in the cluster's network namespace. */
export function startComponent(
  cluster: Cluster,
  name: ProgramName,
  flags: Record<string, string>,
): Program {
  return startNamedProgram(cluster, name, cluster.programs[name], flags);
}

function startNamedProgram(
  cluster: Cluster,
  name: string,
  command: string,
  flags: Record<string, string>,
): Program {
  const args = Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`);
  return startProgram({
    folder: cluster.folder,
    namespace: cluster.namespace,
    name,
    command,
    args,
  });
}

export function hasLogLine(program: Program, text: string): boolean {
  return readFileSync(program.log, 'utf8').includes(text);
}
