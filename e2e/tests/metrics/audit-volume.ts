import { chmodSync, chownSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { waitFor } from '../../../test/kit/retry.ts';
import type { Cluster } from '../../cluster/cluster-file.ts';
import { runCommand } from '../../cluster/command.ts';
import { hasReadyReplicas, listReplicaPods } from '../authority/authority-replicas.ts';
import { getAuditFolder } from '../authority/record-files.ts';
import { killContainer } from '../node-access.ts';

const SIZE_BYTES = 1024 * 1024;
const FILLER = 'filler';

export type LimitedVolume = {
  /** Leaves no byte free. */
  readonly fill: () => Promise<void>;
  readonly empty: () => Promise<void>;
  /** Gives the replica its own volume back. */
  readonly restore: () => Promise<void>;
};

/** Mounts a file system of 1 MiB over the audit volume of each replica, which a restarted container sees. */
export const limitAuditVolume = async (node: Cluster): Promise<LimitedVolume> => {
  const folders = await listVolumeFolders(node);
  for (const folder of folders) {
    const { uid, gid, mode } = statSync(folder);
    await runCommand('mount', ['-t', 'tmpfs', '-o', `size=${SIZE_BYTES}`, 'tmpfs', folder]);
    chownSync(folder, uid, gid);
    chmodSync(folder, mode);
  }
  await restartContainers(node);
  return {
    fill: () => {
      for (const folder of folders) fillFileSystem(join(folder, FILLER));
      return Promise.resolve();
    },
    empty: () => {
      for (const folder of folders) rmSync(join(folder, FILLER), { force: true });
      return Promise.resolve();
    },
    restore: async () => {
      for (const folder of folders) await runCommand('umount', ['--lazy', folder]);
      await restartContainers(node);
    },
  };
};

const fillFileSystem = (file: string): void => {
  for (let size = SIZE_BYTES; size > 0; size = Math.floor(size / 2))
    try {
      for (;;) writeFileSync(file, Buffer.alloc(size), { flag: 'a' });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
};

const listVolumeFolders = async (node: Cluster): Promise<readonly string[]> =>
  (await listReplicaPods()).map(({ metadata }) => getAuditFolder(node, metadata.uid));

const restartContainers = async (node: Cluster): Promise<void> => {
  const before = (await listReplicaPods()).flatMap(({ status }) => status.containerStatuses ?? []);
  for (const container of before) await killContainer(node, container);
  await waitFor(
    'the restarted replicas',
    async () => {
      const now = (await listReplicaPods()).flatMap(({ status }) => status.containerStatuses ?? []);
      const isRestarted = now.every(
        ({ containerID }) => !before.some((container) => container.containerID === containerID),
      );
      return isRestarted && (await hasReadyReplicas(before.length));
    },
    { timeoutMs: 180_000 },
  );
};
