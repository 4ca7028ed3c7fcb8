import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Programs } from './programs.ts';

/** What kubectl needs: all that is known about an external cluster. */
export type ClusterAccess = { kubeconfig: string; kubectlProgram: string; namespace?: string };

/** A cluster on this machine: plain JSON, so that other processes can read it from `cluster.json`. */
export type Cluster = ClusterAccess & {
  folder: string;
  /** The name of its network namespace. */
  namespace: string;
  nodeName: string;
  nodeAddress: string;
  apiServer: string;
  /** PEM files: the CA of the API server, the kubelet and the issuer proxy. */
  caCertificate: string;
  caKey: string;
  /** The `iss` of its tokens; its documents are served from `issuerFolder` + the URL's path. */
  issuer: string;
  issuerFolder: string;
  /** PEM files: the RSA key that signs service-account tokens, and a self-signed certificate over it. */
  clusterSigningKey: string;
  clusterSigningCertificate: string;
  auditLog: string;
  /** The kubelet's folder of pods: volumes are at `<uid>/volumes`. */
  podsFolder: string;
  podLogsFolder: string;
  logsFolder: string;
  containerdSocket: string;
  /** Name of our cgroup, below each mounted hierarchy. */
  cgroup: string;
  programs: Programs;
  /** Kernel settings as they were before the kubelet changed them. */
  sysctls: Record<string, string>;
};

export function getClusterFilePath(folder: string): string {
  return join(folder, 'cluster.json');
}

export function readCluster(folder: string): Cluster {
  return JSON.parse(readFileSync(getClusterFilePath(folder), 'utf8')) as Cluster;
}

export function writeCluster(cluster: Cluster): void {
  writeFileSync(getClusterFilePath(cluster.folder), JSON.stringify(cluster, undefined, 2));
}
