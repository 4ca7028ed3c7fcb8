import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { writeBusyboxRoot, loadImage, writeNodeRoot } from './cluster/images.ts';
import type { Cluster } from './cluster/cluster-file.ts';
import { writeAwscliRoot } from './awscli-root.ts';
import { runCommand } from './cluster/command.ts';

const root = join(import.meta.dirname, '..');

/** Builds the image of `make image`, and imports it into the cluster's containerd. */
export const loadValetkey = async (cluster: Cluster): Promise<string> => {
  const folder = join(cluster.folder, 'images', 'valetkey');
  await runCommand(process.execPath, [join(root, 'tools', 'image', 'main.ts'), '--out', folder]);
  const { reference } = await loadImage({ cluster, name: 'valetkey:e2e', rootFolder: folder });
  return reference;
};

/** Builds the image of test consumers: Node, busybox and a bundle with the unmodified AWS SDK. */
export const loadAgent = async (cluster: Cluster): Promise<string> => {
  const folder = join(cluster.folder, 'images', 'agent');
  const bundle = join(cluster.folder, 'images', 'agent.mjs');
  mkdirSync(folder, { recursive: true });
  await build({
    entryPoints: [join(import.meta.dirname, 'tests', 'agent', 'test-agent.ts')],
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire('/');",
    },
    outfile: bundle,
    logLevel: 'warning',
  });
  await writeBusyboxRoot(folder);
  await writeNodeRoot(folder, {
    nodeBinary: process.execPath,
    files: { '/app/agent.mjs': bundle },
  });
  const { reference } = await loadImage({ cluster, name: 'agent', rootFolder: folder });
  return reference;
};

/** Builds the image of consumers that use awscli. */
export const loadAwscli = async (cluster: Cluster, python: string): Promise<string> => {
  const folder = join(cluster.folder, 'images', 'awscli');
  mkdirSync(folder, { recursive: true });
  await writeAwscliRoot(folder, python);
  const { reference } = await loadImage({ cluster, name: 'awscli', rootFolder: folder });
  return reference;
};
