import { parseArgs } from 'node:util';
import { join } from 'node:path';
import { stopTestCluster, readCluster, startTestCluster } from './cluster.ts';
import { emulatorPackages, installDebianPackages, promtoolPackages } from './debian-packages.ts';
import { runKubectl } from './kubectl.ts';
import { getNamespacePath } from './network-namespace.ts';
import { checkPrerequisites } from './prerequisites.ts';
import { isRunning, listRecordedPrograms } from './processes.ts';
import { buildPrograms, parseKubernetesVersion, type KubernetesVersion } from './programs.ts';
import { startProgress } from './progress.ts';
import { runSmokeTest } from './cluster-smoke.ts';

const help = `A real one-node Kubernetes on this machine, without Docker.

  node e2e/cluster/main.ts COMMAND [--folder F] [--kubernetes 1.35|1.30]

  check        say what this machine lacks
  build        install packages and build the programs, into the cache
  up           start a cluster in F (a new temporary folder unless given)
  clouds       start MinIO and Ceph RGW beside the cluster in F: F/minio.json, F/rgw.json
  status       its programs, node and pods
  shell-hint   how to use kubectl on it
  down         end it and remove F
  smoke        all of it once, with both clouds, timed; leaves nothing
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    folder: { type: 'string' },
    kubernetes: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  },
});
const progress = startProgress();

const commands: Record<string, () => Promise<void> | void> = {
  check: () => {
    const faults = checkPrerequisites();
    console.log(faults.length === 0 ? 'nothing is missing' : faults.join('\n'));
    process.exitCode = faults.length === 0 ? 0 : 1;
  },
  build: async () => {
    await installDebianPackages(progress);
    await installDebianPackages(progress, { ...emulatorPackages, ...promtoolPackages });
    console.log(await buildPrograms(progress, undefined, getKubernetes()));
  },
  up: async () => {
    const cluster = await startTestCluster({
      ...(values.folder && { folder: values.folder }),
      kubernetes: getKubernetes(),
      progress,
    });
    console.log(formatShellHint(cluster.folder));
  },
  clouds: async () => {
    const { startClouds } = await import('../clouds/cloud-startup.ts');
    await startClouds(readCluster(getFolder()), progress);
  },
  status: async () => {
    const cluster = readCluster(getFolder());
    for (const program of listRecordedPrograms(cluster.folder)) {
      console.log(
        `${isRunning(program) ? 'running' : 'ENDED  '} ${program.processId} ${program.name} ${program.log}`,
      );
    }
    const { stdout } = await runKubectl(cluster, ['get', 'nodes,pods', '-A']);
    console.log(stdout);
  },
  'shell-hint': () => {
    console.log(formatShellHint(getFolder()));
  },
  down: async () => {
    await stopTestCluster(getFolder());
    progress('down');
  },
  smoke: () => runSmokeTest(progress),
};

function getKubernetes(): KubernetesVersion {
  return parseKubernetesVersion(values.kubernetes);
}

function getFolder(): string {
  if (values.folder === undefined)
    throw new Error('--folder: expected the folder of a running cluster, got none');
  return values.folder;
}

function formatShellHint(at: string): string {
  const { namespace, kubeconfig, kubectlProgram } = readCluster(at);
  return [
    `record:  ${join(at, 'cluster.json')}`,
    `kubectl: nsenter --net=${getNamespacePath(namespace)} ${kubectlProgram} --kubeconfig ${kubeconfig} get pods -A`,
    `shell:   nsenter --net=${getNamespacePath(namespace)} env KUBECONFIG=${kubeconfig} bash`,
  ].join('\n');
}

const command = commands[positionals[0] ?? ''];
if (values.help || command === undefined) {
  console.log(help);
  process.exitCode = values.help ? 0 : 2;
} else {
  try {
    await command();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
