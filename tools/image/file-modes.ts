import { chmodSync, chownSync, lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { NODE_PATH } from '../../lib/contract/paths.ts';

/** A process of an executable that its user cannot read is non-dumpable, so it cannot be traced. */
const NODE_MODE = 0o111;
const LIBRARY = /\.so(\.\d+)*$/;

/**
 * Sets the mode of every file in the root folder, independently of the umask and the sources: only
 * /tmp is writable. If run as root, also sets the owner of every file to root.
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
