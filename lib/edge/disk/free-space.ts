import { statfs } from 'node:fs/promises';

/**
 * Bytes that this process may still write to the file system of `folder`.
 *
 * @returns nothing if the file system cannot be read
 */
export const readFreeBytes = async (folder: string): Promise<number | undefined> => {
  try {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  } catch {
    return undefined;
  }
};
