import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { runKubectl } from '../../cluster/kubectl.ts';
import { CommandError, runCommand } from '../../cluster/command.ts';
import type { Cluster } from '../../cluster/cluster-file.ts';
import { testContext } from '../test-context.ts';

const pluginProgram = join(
  import.meta.dirname,
  '..',
  '..',
  '..',
  'cmd',
  'kubectl-valetkey',
  'main.ts',
);

/** Problems, and records that cannot be verified: those of a replica that a test killed. */
const EXPECTED_STATUS: readonly unknown[] = [1, 4];

/** Runs `kubectl valetkey`; returns what it printed, with exit status 0, 1 or 4. */
export const runKubectlValetkey = async (args: string[]): Promise<string> => {
  try {
    return (await runCommand(process.execPath, [pluginProgram, ...args])).stdout;
  } catch (error) {
    if (!(error instanceof CommandError) || !EXPECTED_STATUS.includes(error.exitCode)) throw error;
    return error.stdout;
  }
};

/** The volume of a replica's records on the node, by the UID of its pod. */
export const getAuditFolder = ({ podsFolder }: Cluster, podUid: string): string =>
  join(podsFolder, podUid, 'volumes', 'kubernetes.io~empty-dir', 'audit');

/** Lists the audit files on the volumes of all replicas on the node. */
const listRecordFiles = (node: Cluster): string[] =>
  readdirSync(node.podsFolder).flatMap((uid) => {
    const folder = getAuditFolder(node, uid);
    return existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [];
  });

/**
 * Preserves audit files after their pods are deleted, as a persistent volume would, by holding them open:
 * existing files, and new ones until it is stopped.
 */
export const holdRecordFiles = (node: Cluster, name: string) => {
  const folder = join(node.folder, 'records', name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const held = new Map<string, number>();
  const look = (): void => {
    try {
      for (const file of listRecordFiles(node))
        if (!held.has(file)) held.set(file, openSync(file, 'r'));
    } catch (error) {
      // A pod and its volume may be deleted while they are listed.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  };
  look();
  const timer = setInterval(look, 100);
  return {
    /** Copies the files with their current content, or the last content before their pods ended. */
    files: (): string[] => {
      look();
      return [...held.values()].map((descriptor, index) => {
        const copy = join(folder, `${index}.jsonl`);
        copyFileSync(`/proc/self/fd/${descriptor}`, copy);
        return copy;
      });
    },
    stop: (): void => {
      clearInterval(timer);
      for (const descriptor of held.values()) closeSync(descriptor);
    },
  };
};

export type VerificationResult = {
  isWhole: boolean;
  faults: { code: string }[];
  notes: { code: string; text: string }[];
  chains: { chain: string; records: number }[];
  /** Published heads that the chains were compared with. */
  heads: number;
};

/**
 * Verifies chains against the heads in the cluster, which are read before the files, because both grow.
 * Files from before this matrix entry were deleted with their pods, so a missing start is accepted.
 */
export const verifyRecords = async (
  { folder }: Cluster,
  files: () => string[],
): Promise<VerificationResult> => {
  const { cluster, release } = testContext;
  const where = ['configmap', 'valetkey-audit-heads', '-n', release.namespace, '-o', 'json'];
  const { stdout } = await runKubectl(cluster, ['get', ...where]);
  const heads = join(mkdtempSync(join(folder, 'heads-')), 'heads.json');
  writeFileSync(heads, stdout);
  const args = ['audit', 'verify', '--partial', '-o', 'json', '--heads', heads, ...files()];
  return JSON.parse(await runKubectlValetkey(args)) as VerificationResult;
};
