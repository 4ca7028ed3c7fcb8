import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startComponent } from './control-plane.ts';
import { createCgroup } from './cgroups.ts';
import { succeeds } from './command.ts';
import { startProgram, waitForProgram } from './processes.ts';
import type { Pki } from './pki.ts';
import type { Cluster } from './cluster-file.ts';

export const podRange = '10.20.0.0/24';
export const pauseImage = 'localhost/pause:1';

/** Starts containerd with every path below the cluster's folder, and waits until it responds. */
export async function startContainerd(cluster: Cluster): Promise<void> {
  const home = join(cluster.folder, 'containerd');
  const cni = writeCniConfig(cluster);
  mkdirSync(home, { recursive: true });
  const config = join(home, 'config.toml');
  writeFileSync(config, formatContainerdConfig(cluster, home, cni));
  const program = startProgram({
    folder: cluster.folder,
    namespace: cluster.namespace,
    name: 'containerd',
    command: '/usr/bin/containerd',
    args: ['--config', config],
  });
  await waitForProgram(program, () =>
    succeeds('ctr', ['--address', cluster.containerdSocket, 'version']),
  );
}

/** Starts the kubelet and kube-proxy. */
export function startNode(cluster: Cluster, pki: Pki, kubeconfigs: Record<string, string>): void {
  createCgroup(cluster.cgroup);
  const root = join(cluster.folder, 'kubelet');
  mkdirSync(root, { recursive: true });
  startComponent(cluster, 'kubelet', {
    config: writeJson(join(root, 'config.json'), buildKubeletConfig(cluster, pki)),
    kubeconfig: kubeconfigs['kubelet'] ?? '',
    'root-dir': root,
    'cert-dir': join(root, 'pki'),
    'hostname-override': cluster.nodeName,
    'node-ip': cluster.nodeAddress,
  });
  startComponent(cluster, 'kube-proxy', {
    config: writeJson(
      join(cluster.folder, 'kube-proxy.json'),
      buildProxyConfig(kubeconfigs['kube-proxy'] ?? ''),
    ),
    'hostname-override': cluster.nodeName,
  });
}

function formatContainerdConfig(cluster: Cluster, home: string, cni: string): string {
  const cri = 'plugins."io.containerd.grpc.v1.cri"';
  return `version = 2
root = "${home}/root"
state = "${home}/state"
oom_score = 0
[grpc]
  address = "${cluster.containerdSocket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "${home}/opt"
[${cri}]
  sandbox_image = "${pauseImage}"
  # CAP_SYS_RESOURCE may be missing, and AppArmor's tools too.
  restrict_oom_score_adj = true
  disable_apparmor = true
  netns_mounts_under_state_dir = true
[${cri}.cni]
  bin_dir = "/usr/lib/cni"
  conf_dir = "${cni}"
[${cri}.containerd]
  snapshotter = "overlayfs"
[${cri}.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[${cri}.containerd.runtimes.runc.options]
  SystemdCgroup = false
  Root = "${home}/runc"
`;
}

/** The network has a unique name, because CNI keeps results in one folder for the whole machine. */
function writeCniConfig(cluster: Cluster): string {
  const folder = join(cluster.folder, 'cni');
  mkdirSync(folder, { recursive: true });
  writeJson(join(folder, '10-pods.conflist'), {
    cniVersion: '1.0.0',
    name: cluster.namespace,
    plugins: [
      {
        type: 'bridge',
        bridge: 'cni0',
        isGateway: true,
        hairpinMode: true,
        ipam: {
          type: 'host-local',
          dataDir: join(cluster.folder, 'cni-addresses'),
          ranges: [[{ subnet: podRange }]],
          routes: [{ dst: '0.0.0.0/0' }],
        },
      },
    ],
  });
  return folder;
}

function buildKubeletConfig(cluster: Cluster, pki: Pki): object {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: pki.ca.certificate },
    },
    authorization: { mode: 'Webhook' },
    tlsCertFile: pki.kubelet.certificate,
    tlsPrivateKeyFile: pki.kubelet.key,
    containerRuntimeEndpoint: `unix://${cluster.containerdSocket}`,
    clusterDNS: [cluster.nodeAddress],
    clusterDomain: 'cluster.local',
    resolvConf: '',
    podLogsDir: cluster.podLogsFolder,
    volumePluginDir: join(cluster.folder, 'kubelet', 'volume-plugins'),
    cgroupDriver: 'cgroupfs',
    cgroupRoot: `/${cluster.cgroup}`,
    failCgroupV1: false,
    failSwapOn: false,
    enforceNodeAllocatable: ['none'],
    localStorageCapacityIsolation: false,
    imageGCHighThresholdPercent: 100,
    evictionHard: {
      'memory.available': '0%',
      'nodefs.available': '0%',
      'nodefs.inodesFree': '0%',
      'imagefs.available': '0%',
      'imagefs.inodesFree': '0%',
    },
    oomScoreAdj: 0,
    makeIPTablesUtilChains: false,
    featureGates: { KubeletSeparateDiskGC: false },
  };
}

function buildProxyConfig(kubeconfig: string): object {
  return {
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    mode: 'iptables',
    clientConnection: { kubeconfig },
    clusterCIDR: podRange,
    conntrack: { maxPerCore: 0, min: 0 },
    healthzBindAddress: '127.0.0.1:10256',
    metricsBindAddress: '127.0.0.1:10249',
    // How soon rules follow Endpoints; the default is one second.
    iptables: { minSyncPeriod: '100ms' },
  };
}

function writeJson(file: string, value: object): string {
  writeFileSync(file, JSON.stringify(value, undefined, 2));
  return file;
}
