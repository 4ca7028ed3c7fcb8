import { spawnSync } from 'node:child_process';

import type { ImageProgram } from './image-programs.ts';

/**
 * Runs a program inside the root folder, as its user and with only its environment, until it exits.
 *
 * @returns what it wrote to standard output and standard error
 *
 * @throws Error with its standard error if it does not exit with status 0 within 30 s
 */
export const runInChroot = (
  rootFolder: string,
  program: ImageProgram,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): { readonly stdout: string; readonly stderr: string } => {
  const { uid, gid } = program.user;
  const { status, stdout, stderr, error } = spawnSync(
    'chroot',
    [`--userspec=${uid}:${gid}`, '--groups=', rootFolder, ...program.command, ...args],
    {
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', ...program.env, ...env },
      encoding: 'utf8',
      timeout: 30_000,
    },
  );
  if (status === 0) return { stdout, stderr };
  throw new Error(
    `${program.name}: expected exit status 0, got ${status ?? 'a signal'}: ${stderr}`,
    {
      cause: error,
    },
  );
};
