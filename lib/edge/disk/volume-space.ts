import { statfs } from 'node:fs/promises';

/** Bytes of a file system. */
export type VolumeSpace = {
  readonly sizeBytes: number;
  /** What this process may still write. */
  readonly freeBytes: number;
};

/**
 * Size and free space of the file system of `folder`.
 *
 * @returns nothing if the file system cannot be read
 */
export const readVolumeSpace = async (folder: string): Promise<VolumeSpace | undefined> => {
  try {
    const { bavail, blocks, bsize } = await statfs(folder);
    return { sizeBytes: blocks * bsize, freeBytes: bavail * bsize };
  } catch {
    return undefined;
  }
};
