import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..');
const PINNED_NODE = join(ROOT, 'node_modules', '.bin', 'node');

/** The pinned Node, and the bundled programs of the image. */
export const DEMO_PROGRAMS = {
  root: ROOT,
  node: existsSync(PINNED_NODE) ? PINNED_NODE : process.execPath,
  folder: join(ROOT, 'dist'),
  demo: import.meta.dirname,
} as const;

/**
 * Bundles the programs if that was not done yet (`make demo` does it first).
 *
 * @throws Error with the output of the bundler
 */
export const ensureBuilt = (): void => {
  const needed = ['webhook.cjs', 'sidecar.cjs', 'authority.cjs', 'kubectl-valetkey.cjs'].map(
    (file) => join(DEMO_PROGRAMS.folder, file),
  );
  if (needed.every((file) => existsSync(file))) return;
  const build = spawnSync(DEMO_PROGRAMS.node, [join(ROOT, 'tools', 'build', 'main.ts')], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  if (build.status !== 0)
    throw new Error(`node tools/build/main.ts failed:\n${build.stdout}${build.stderr}`);
};
