import { chownSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { COMPILE_CACHE_FOLDER } from '../../lib/contract/paths.ts';
import { runInChroot } from './chroot.ts';
import { IMAGE_PROGRAMS, type ImageProgram } from './image-programs.ts';

/**
 * Fills the compile cache by running every program once inside the root folder. Node keys the cache
 * by its version, the V8 flags, the user and the file's path, so each program runs exactly as its
 * container will. Node writes the cache only on a clean exit. Requires root.
 */
export const fillCompileCache = (rootFolder: string): void => {
  const folder = join(rootFolder, COMPILE_CACHE_FOLDER);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  for (const program of IMAGE_PROGRAMS) {
    chownSync(folder, program.user.uid, program.user.gid);
    runInChroot(rootFolder, withFixedSeed(program), ['--help']);
  }
  chownSync(folder, 0, 0);
  if (readdirSync(folder).length !== IMAGE_PROGRAMS.length) {
    throw new Error(`${COMPILE_CACHE_FOLDER}: expected a folder for each program's user`);
  }
};

/** A random seed would make each build different. V8 does not key its cache by the seed. */
const withFixedSeed = (program: ImageProgram): ImageProgram => {
  const [node = '', ...rest] = program.command;
  return { ...program, command: [node, '--random-seed=1', ...rest] };
};
