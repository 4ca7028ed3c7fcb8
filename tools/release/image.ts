import { join } from 'node:path';

import { PROGRAM_FOLDER } from '../../lib/contract/paths.ts';
import { SIDECAR_GID, SIDECAR_UID } from '../../lib/contract/names.ts';
import { fillCompileCache } from '../image/compile-cache.ts';
import { setFileModes } from '../image/file-modes.ts';
import { NOTICES_FILE } from '../image/license-notices.ts';
import { findFileFaults, findProgramFaults } from '../image/root-folder-check.ts';
import { writeRootFolder } from '../image/root-folder.ts';
import { compress, packFolder, toSha256 } from './archive.ts';
import {
  CONFIG_TYPE,
  createLayout,
  INDEX_TYPE,
  LAYER_TYPE,
  MANIFEST_TYPE,
  type Descriptor,
  type Layout,
} from './oci-layout.ts';
import type { Platform } from './platforms.ts';
import type { ReleaseContext } from './release-context.ts';
import { fetchLibraries, fetchNode, ROOT } from './sources.ts';

/** Where the files of a platform are. */
export type PlatformFiles = {
  readonly platform: Platform;
  /** Package folder of Node, with `bin/node` and `LICENSE`. */
  readonly node: string;
  readonly rootFolder: string;
};

/**
 * Writes the root file system of a platform. On a machine of the same architecture every program runs once
 * in it, which fills the compile cache; on another one the cache stays empty.
 *
 * @throws Error that lists what is wrong in it
 */
export const buildRootFolder = (
  platform: Platform,
  { work, dist, isNative }: ReleaseContext,
): PlatformFiles => {
  const node = fetchNode(platform, work);
  const rootFolder = join(work, `root-${platform.architecture}`);
  writeRootFolder({
    out: rootFolder,
    nodeBinary: join(node, 'bin/node'),
    libraries: fetchLibraries(platform, work),
    dist,
    licenses: {
      [`${PROGRAM_FOLDER}/LICENSE`]: join(ROOT, 'LICENSE'),
      [`${PROGRAM_FOLDER}/${NOTICES_FILE}`]: join(dist, NOTICES_FILE),
      [`${PROGRAM_FOLDER}/LICENSE.node`]: join(node, 'LICENSE'),
    },
  });
  setFileModes(rootFolder, true);
  const isRunnable = isNative(platform);
  if (isRunnable) {
    fillCompileCache(rootFolder);
    setFileModes(rootFolder, true);
  }
  const faults = [
    ...findFileFaults(rootFolder),
    ...(isRunnable ? findProgramFaults(rootFolder) : []),
  ];
  if (faults.length > 0) throw new Error(faults.join('\n'));
  return { platform, node, rootFolder };
};

/** Writes the image of all platforms as an OCI layout. @returns the digest of its index */
export const writeImageLayout = (
  folder: string,
  platforms: readonly PlatformFiles[],
  context: ReleaseContext,
): string => {
  const layout = createLayout(folder);
  const manifests = platforms.map((files) => addImage(layout, files, context));
  const index = layout.addBlob(INDEX_TYPE, {
    schemaVersion: 2,
    mediaType: INDEX_TYPE,
    manifests,
    annotations: buildAnnotations(context),
  });
  layout.finish(index, context.version);
  return index.digest;
};

const buildAnnotations = ({ version, commit, epochSeconds }: ReleaseContext) => ({
  'org.opencontainers.image.title': 'valetkey',
  'org.opencontainers.image.version': version,
  'org.opencontainers.image.revision': commit,
  'org.opencontainers.image.created': new Date(epochSeconds * 1000).toISOString(),
  'org.opencontainers.image.licenses': 'Apache-2.0',
  'org.opencontainers.image.url': 'https://valetkey.dev',
});

const addImage = (
  layout: Layout,
  { platform, rootFolder }: PlatformFiles,
  context: ReleaseContext,
): Descriptor => {
  const tar = packFolder(rootFolder, context.epochSeconds);
  const layer = layout.addBlob(LAYER_TYPE, compress(tar));
  const target = { architecture: platform.architecture, os: 'linux' };
  const annotations = buildAnnotations(context);
  const config = layout.addBlob(CONFIG_TYPE, {
    ...target,
    created: annotations['org.opencontainers.image.created'],
    // As in the Dockerfile.
    config: { User: `${SIDECAR_UID}:${SIDECAR_GID}`, Labels: annotations },
    rootfs: { type: 'layers', diff_ids: [`sha256:${toSha256(tar)}`] },
  });
  const manifest = layout.addBlob(MANIFEST_TYPE, {
    ...{ schemaVersion: 2, mediaType: MANIFEST_TYPE, config, layers: [layer], annotations },
  });
  return { ...manifest, platform: target };
};
