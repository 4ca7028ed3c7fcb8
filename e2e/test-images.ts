import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { listLinkedLibraries, placeFile } from '../tools/image/root-folder.ts';
import { writeBusyboxRoot, loadImage, writeNodeRoot } from './cluster/images.ts';
import type { Cluster } from './cluster/cluster-file.ts';
import { writePythonRoot } from './python-root.ts';
import { runCommand } from './cluster/command.ts';

const root = join(import.meta.dirname, '..');

/** Builds the image of `make image`, and imports it into the cluster's containerd. */
export const loadValetkey = async (cluster: Cluster): Promise<string> => {
  const folder = join(cluster.folder, 'images', 'valetkey');
  await runCommand(process.execPath, [join(root, 'tools', 'image', 'main.ts'), '--out', folder]);
  const { reference } = await loadImage({ cluster, name: 'valetkey:e2e', rootFolder: folder });
  return reference;
};

/** What test consumers run, each with the unmodified clients that it uses. */
const AGENT_PROGRAMS = {
  agent: 'test-agent.ts',
  upstreams: 'upstream-agent.ts',
  calls: 'http-agent.ts',
};

const bundleAgent = async (source: string, outfile: string): Promise<void> => {
  await build({
    entryPoints: [join(import.meta.dirname, 'tests', 'agent', source)],
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    // node-postgres uses it only on demand.
    external: ['pg-native'],
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire('/');",
    },
    outfile,
    logLevel: 'warning',
  });
};

/** Git of this machine, its client of HTTP, curl, and what they are linked to. */
const listClientFiles = async (): Promise<string[]> => {
  const { stdout } = await runCommand('git', ['--exec-path']);
  const programs = ['/usr/bin/git', join(stdout.trim(), 'git-remote-http'), '/usr/bin/curl'];
  return [...programs, ...programs.flatMap(listLinkedLibraries)];
};

/** Builds the image of test consumers: Node, busybox, git, curl and bundles with unmodified clients. */
export const loadAgent = async (cluster: Cluster): Promise<string> => {
  const folder = join(cluster.folder, 'images', 'agent');
  mkdirSync(folder, { recursive: true });
  const files: Record<string, string> = {};
  for (const [name, source] of Object.entries(AGENT_PROGRAMS)) {
    const bundle = join(cluster.folder, 'images', `${name}.mjs`);
    await bundleAgent(source, bundle);
    files[`/app/${name}.mjs`] = bundle;
  }
  await writeBusyboxRoot(folder);
  for (const file of await listClientFiles()) files[file] = file;
  await writeNodeRoot(folder, { nodeBinary: process.execPath, files });
  const { reference } = await loadImage({ cluster, name: 'agent', rootFolder: folder });
  return reference;
};

/** Builds the image of consumers that use awscli. */
export const loadAwscli = (cluster: Cluster, python: string): Promise<string> =>
  loadPython(cluster, { name: 'awscli', python });

/**
 * Builds an image of consumers that use packages of a virtual environment.
 *
 * @param files source files by path in the image
 */
export const loadPython = async (
  cluster: Cluster,
  { name, python, files = {} }: { name: string; python: string; files?: Record<string, string> },
): Promise<string> => {
  const folder = join(cluster.folder, 'images', name);
  mkdirSync(folder, { recursive: true });
  await writePythonRoot(folder, [python]);
  for (const [path, source] of Object.entries(files)) placeFile(source, join(folder, path));
  const { reference } = await loadImage({ cluster, name, rootFolder: folder });
  return reference;
};
