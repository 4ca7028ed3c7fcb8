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
  /** Keeps the folder with the logs. */
  keepFolder?: boolean;
};

/** Stops everything that belongs to a cluster, and removes all its files and settings. */
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

/** Runs every step, even if an earlier one failed. */
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

/** Without a grace period, because their data is removed. */
async function stopAllExcept(cluster: Cluster, spared?: string): Promise<void> {
  const programs = listRecordedPrograms(cluster.folder).filter(({ name }) => name !== spared);
  await Promise.all(programs.map((program) => stopProgram(cluster.folder, program, 0)));
}

/** Deletes the tasks in containerd, so that each shim ends and removes its socket. */
async function stopContainers(cluster: Cluster): Promise<void> {
  killCgroup(cluster.cgroup);
  await waitFor('containers to end', () => isCgroupEmpty(cluster.cgroup), { intervalMs: 25 });
  if (!listRecordedPrograms(cluster.folder).some(({ name }) => name === 'containerd')) return;
  const ctr = ['--address', cluster.containerdSocket, '-n', 'k8s.io', 'tasks'];
  // A containerd that was interrupted during its start does not respond, and has no tasks.
  const { stdout } = await runCommand('ctr', [...ctr, 'list', '-q'], { timeoutMs: 5_000 }).catch(
    () => ({
      stdout: '',
    }),
  );
  // A task may already have ended; remaining shims are counted below.
  const ids = stdout.split('\n').filter(Boolean);
  await Promise.allSettled(ids.map((id) => runCommand('ctr', [...ctr, 'delete', '--force', id])));
  await waitFor('containerd shims to end', () => listShims(cluster).length === 0, {
    timeoutMs: 10_000,
    intervalMs: 25,
  }).catch(() => {
    for (const processId of listShims(cluster)) process.kill(processId, 'SIGKILL');
  });
}

/** Lists the shims of our containerd: their arguments contain its socket, which is in our folder. */
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

/** Removes our files in fixed folders of CNI and the kubelet. */
function removeTraces(cluster: Cluster): void {
  for (const file of globSync(`${cniResults}/${cluster.namespace}-*`)) {
    // `<network>-<container>-<interface>`; all clusters use the same name for the loopback network.
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
