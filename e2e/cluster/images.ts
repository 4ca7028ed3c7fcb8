import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import {
  chmod,
  copyFile,
  mkdir,
  mkdtemp,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { listLinkedLibraries, placeFile } from '../../tools/image/root-folder.ts';
import { runCommand } from './command.ts';
import type { Cluster } from './cluster-file.ts';

export type ImagePlan = {
  cluster: Pick<Cluster, 'folder' | 'containerdSocket'>;
  /** `pause` or `pause:2`; the default tag is 1. */
  name: string;
  rootFolder: string;
  entrypoint?: string[];
  command?: string[];
  user?: string;
  env?: Record<string, string>;
  workdir?: string;
};

export type Image = {
  /** `localhost/NAME:TAG`, for pods with `imagePullPolicy: Never`. */
  reference: string;
  /** The manifest's digest, `sha256:…`. */
  digest: string;
};

type Descriptor = { mediaType: string; digest: string; size: number };

const ociTypes = 'application/vnd.oci.image';

/** Packs a root file system as an image of one layer, and imports it into the cluster's containerd. */
export async function loadImage(plan: ImagePlan): Promise<Image> {
  const reference = `localhost/${plan.name.includes(':') ? plan.name : `${plan.name}:1`}`;
  await mkdir(join(plan.cluster.folder, 'images'), { recursive: true });
  const work = await mkdtemp(join(plan.cluster.folder, 'images', 'pack-'));
  try {
    const digest = await writeLayout(join(work, 'layout'), plan, reference);
    const archive = join(work, 'image.tar');
    await runCommand('tar', ['-C', join(work, 'layout'), '-cf', archive, '.']);
    await runCommand('ctr', [
      '--address',
      plan.cluster.containerdSocket,
      '-n',
      'k8s.io',
      'images',
      'import',
      archive,
    ]);
    return { reference, digest };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Writes an OCI layout without compression, which would only cost time on one machine. */
async function writeLayout(layout: string, plan: ImagePlan, reference: string): Promise<string> {
  await mkdir(join(layout, 'blobs', 'sha256'), { recursive: true });
  const layer = await packLayer(layout, plan.rootFolder);
  const config = await writeBlob(
    layout,
    `${ociTypes}.config.v1+json`,
    buildImageConfig(plan, layer.digest),
  );
  const manifest = await writeBlob(layout, `${ociTypes}.manifest.v1+json`, {
    schemaVersion: 2,
    mediaType: `${ociTypes}.manifest.v1+json`,
    config,
    layers: [layer],
  });
  const named = { ...manifest, annotations: { 'io.containerd.image.name': reference } };
  await writeFile(
    join(layout, 'index.json'),
    JSON.stringify({ schemaVersion: 2, manifests: [named] }),
  );
  await writeFile(join(layout, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  return manifest.digest;
}

async function packLayer(layout: string, rootFolder: string): Promise<Descriptor> {
  const archive = join(layout, 'layer.tar');
  const owner = ['--owner=0', '--group=0', '--numeric-owner', '--sort=name'];
  await runCommand('tar', [...owner, '-C', rootFolder, '-cf', archive, '.']);
  const hash = createHash('sha256');
  await pipeline(createReadStream(archive), hash);
  const hex = hash.digest('hex');
  const { size } = await stat(archive);
  await rename(archive, join(layout, 'blobs', 'sha256', hex));
  return { mediaType: `${ociTypes}.layer.v1.tar`, digest: `sha256:${hex}`, size };
}

async function writeBlob(layout: string, mediaType: string, value: object): Promise<Descriptor> {
  const bytes = Buffer.from(JSON.stringify(value));
  const hex = createHash('sha256').update(bytes).digest('hex');
  await writeFile(join(layout, 'blobs', 'sha256', hex), bytes);
  return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
}

function buildImageConfig(plan: ImagePlan, layerDigest: string): object {
  return {
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    os: 'linux',
    config: {
      Entrypoint: plan.entrypoint,
      Cmd: plan.command,
      User: plan.user,
      WorkingDir: plan.workdir,
      Env: Object.entries({ PATH: '/usr/bin:/bin', ...plan.env }).map(
        ([name, value]) => `${name}=${value}`,
      ),
    },
    rootfs: { type: 'layers', diff_ids: [layerDigest] },
  };
}

/** Writes a root file system with busybox and a link for each of its applets. */
export async function writeBusyboxRoot(folder: string): Promise<string> {
  await writeAccounts(folder);
  const bin = join(folder, 'bin');
  await mkdir(bin, { recursive: true });
  await copyFile('/bin/busybox', join(bin, 'busybox'));
  const { stdout } = await runCommand('/bin/busybox', ['--list']);
  for (const applet of stdout.split('\n').filter((name) => name !== '' && name !== 'busybox')) {
    await replaceLink('busybox', join(bin, applet));
  }
  return folder;
}

export type NodeRootPlan = {
  /** The Node binary to put at /usr/bin/node. */
  nodeBinary: string;
  /** Path in the image → file on this machine. */
  files: Record<string, string>;
};

/** Writes a root file system with only Node, its linked libraries, and the given files. */
export async function writeNodeRoot(folder: string, plan: NodeRootPlan): Promise<string> {
  await writeAccounts(folder);
  const libraries = listLinkedLibraries(plan.nodeBinary);
  const files = {
    '/usr/bin/node': plan.nodeBinary,
    ...Object.fromEntries(libraries.map((path) => [path, path])),
  };
  for (const [path, source] of Object.entries({ ...files, ...plan.files }))
    placeFile(source, join(folder, path));
  await chmod(join(folder, '/usr/bin/node'), 0o755);
  return folder;
}

async function writeAccounts(folder: string): Promise<void> {
  await mkdir(join(folder, 'etc'), { recursive: true });
  await mkdir(join(folder, 'tmp'), { recursive: true });
  await chmod(join(folder, 'tmp'), 0o1777);
  const passwd = 'root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n';
  await writeFile(join(folder, 'etc', 'passwd'), passwd);
  await writeFile(join(folder, 'etc', 'group'), 'root:x:0:\nnogroup:x:65534:\n');
}

async function replaceLink(target: string, link: string): Promise<void> {
  const present = await readlink(link).catch(() => undefined);
  if (present !== target) await symlink(target, link);
}
