import { globSync, lstatSync, readFileSync, readlinkSync, readdirSync, rmSync } from 'node:fs';
import { basename } from 'node:path';
import { waitFor } from '../../test/kit/retry.ts';
import { isCgroupEmpty, killCgroup, removeCgroup } from './cgroups.ts';
import { runUninterrupted } from './interrupt.ts';
import { deleteNamespace } from './network-namespace.ts';
import { forbidPrograms, listRecordedPrograms, stopProgram } from './processes.ts';
import { readCluster, getClusterFilePath } from './cluster-file.ts';
import type { Cluster } from './cluster-file.ts';
import { runCommand } from './command.ts';
import { restoreSysctls } from './sysctls.ts';

const cniResults = '/var/lib/cni/results';

export type DownOptions = {
  /** Leave the folder, for a look at the logs. */
  keepFolder?: boolean;
};

/** Ends everything that a cluster (or its folder) says is ours, and removes every trace of it. */
export async function stopTestCluster(
  which: Cluster | string,
  options: DownOptions = {},
): Promise<void> {
  const cluster = typeof which === 'string' ? readCluster(which) : which;
  const removed = options.keepFolder ? getClusterFilePath(cluster.folder) : cluster.folder;
  const steps: (() => Promise<void> | void)[] = [
    () => forbidPrograms(cluster.folder),
    () => stopAllExcept(cluster, 'containerd'),
    () => stopContainers(cluster),
    () => stopAllExcept(cluster),
    () => unmountAll(cluster.folder),
    () => removeCgroup(cluster.cgroup),
    () => deleteNamespace(cluster.namespace),
    () => removeTraces(cluster),
    () => restoreSysctls(cluster.sysctls),
    () => rmSync(removed, { recursive: true, force: true }),
  ];
  const failures = await runUninterrupted(() => runAllSteps(steps));
  if (failures.length > 0) throw new AggregateError(failures, `down: ${failures.join('; ')}`);
}

/** Every step is taken, whatever became of the one before it. */
async function runAllSteps(steps: (() => Promise<void> | void)[]): Promise<unknown[]> {
  const failures: unknown[] = [];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      failures.push(error);
    }
  }
  return failures;
}

/** Without grace: what they would save is about to be removed. */
async function stopAllExcept(cluster: Cluster, spared?: string): Promise<void> {
  const programs = listRecordedPrograms(cluster.folder).filter(({ name }) => name !== spared);
  await Promise.all(programs.map((program) => stopProgram(cluster.folder, program, 0)));
}

/** containerd deletes its tasks, so that each shim ends and takes its socket along. */
async function stopContainers(cluster: Cluster): Promise<void> {
  killCgroup(cluster.cgroup);
  await waitFor('containers to die', () => isCgroupEmpty(cluster.cgroup), { intervalMs: 25 });
  if (!listRecordedPrograms(cluster.folder).some(({ name }) => name === 'containerd')) return;
  const ctr = ['--address', cluster.containerdSocket, '-n', 'k8s.io', 'tasks'];
  // A containerd that was interrupted as it started answers nothing, and has no tasks.
  const { stdout } = await runCommand('ctr', [...ctr, 'list', '-q'], { timeoutMs: 5_000 }).catch(
    () => ({
      stdout: '',
    }),
  );
  // One that stops by itself meanwhile is none of our concern: the shims are counted below.
  const ids = stdout.split('\n').filter(Boolean);
  await Promise.allSettled(ids.map((id) => runCommand('ctr', [...ctr, 'delete', '--force', id])));
  await waitFor('containerd shims to end', () => listShims(cluster).length === 0, {
    timeoutMs: 10_000,
    intervalMs: 25,
  }).catch(() => {
    for (const processId of listShims(cluster)) process.kill(processId, 'SIGKILL');
  });
}

/** The shims of our containerd: each has its socket, a path of ours, as an argument. */
function listShims(cluster: Cluster): number[] {
  const ids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return ids.filter((id) => readCommandLine(id).includes(cluster.containerdSocket)).map(Number);
}

function readCommandLine(processId: string): string[] {
  try {
    const args = readFileSync(`/proc/${processId}/cmdline`, 'utf8').split('\0');
    return args[0]?.includes('containerd-shim') ? args : [];
  } catch {
    return [];
  }
}

async function unmountAll(folder: string): Promise<void> {
  const points = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((point) => point.startsWith(`${folder}/`));
  if (points.length > 0)
    await runCommand('umount', ['--lazy', '--no-canonicalize', ...points.reverse()]);
}

/** CNI and the kubelet write under names of ours in folders that cannot be moved. */
function removeTraces(cluster: Cluster): void {
  for (const file of globSync(`${cniResults}/${cluster.namespace}-*`)) {
    // `<network>-<container>-<interface>`: the loopback's network has a name that all clusters share.
    const container =
      basename(file)
        .slice(cluster.namespace.length + 1)
        .split('-')[0] ?? '';
    for (const result of globSync(`${cniResults}/*-${container}-*`)) rmSync(result);
  }
  for (const link of globSync('/var/log/containers/*.log')) {
    const isOurs =
      lstatSync(link).isSymbolicLink() && readlinkSync(link).startsWith(cluster.podLogsFolder);
    if (isOurs) rmSync(link);
  }
}
