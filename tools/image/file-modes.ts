import { chmodSync, chownSync, lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { NODE_PATH } from '../../lib/contract/paths.ts';

/** Who can read a program can trace its process; who cannot, finds it non-dumpable. */
const NODE_MODE = 0o111;
const LIBRARY = /\.so(\.\d+)*$/;

/**
 * Gives every file of the root folder its mode, whatever the umask and the sources had: nothing can
 * be written but /tmp. As root, everything becomes root's.
 */
export const setFileModes = (rootFolder: string, isRoot: boolean): void => {
  for (const path of readdirSync(rootFolder, { recursive: true, encoding: 'utf8' })) {
    const file = join(rootFolder, path);
    if (isRoot) chownSync(file, 0, 0);
    chmodSync(file, getFileMode(`/${path}`, lstatSync(file).isDirectory()));
  }
  chmodSync(rootFolder, 0o755);
};

const getFileMode = (path: string, isFolder: boolean): number => {
  if (path === '/tmp') return 0o1777;
  if (isFolder) return 0o755;
  if (path === NODE_PATH) return NODE_MODE;
  return LIBRARY.test(path) ? 0o555 : 0o444;
};
