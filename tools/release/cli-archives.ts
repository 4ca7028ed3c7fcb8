import { chmodSync, cpSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { POLICY_BUNDLE } from '../../lib/policy/cedar-bundle.ts';
import { NOTICES_FILE } from '../image/license-notices.ts';
import { compress, packFolder, toSha256 } from './archive.ts';
import type { PlatformFiles } from './image.ts';
import type { Artifact, ReleaseContext } from './release-context.ts';
import { ROOT } from './sources.ts';

/** An archive of the plugin for one platform. */
export type CliTarget = {
  readonly os: 'linux' | 'darwin';
  readonly architecture: 'amd64' | 'arm64';
};

export type CliArchive = Artifact & { readonly target: CliTarget };

/** macOS runs the plugin with the Node of its user: only Node for Linux is in package-lock.json. */
const DARWIN_TARGETS: readonly CliTarget[] = [
  { os: 'darwin', architecture: 'amd64' },
  { os: 'darwin', architecture: 'arm64' },
];

/** krew and users link to this script, so it resolves links to find its folder. */
const LAUNCHER = `#!/bin/sh
set -eu
program=$(readlink -f "$0")
folder=$(dirname "$program")
if [ -x "$folder/node" ]; then node="$folder/node"; else node=node; fi
if ! command -v "$node" >/dev/null; then
  echo "kubectl-valetkey: expected Node 20 or later on PATH, got none" >&2
  exit 2
fi
exec "$node" "$folder/kubectl-valetkey.cjs" "$@"
`;

/** kubectl asks this program on PATH what to complete after `kubectl valetkey`. */
const COMPLETION = `#!/bin/sh
exec "$(dirname "$(readlink -f "$0")")/kubectl-valetkey" __complete "$@"
`;

/** Writes an archive for each platform: `kubectl-valetkey_<version>_<os>_<architecture>.tar.gz`. */
export const writeCliArchives = (
  platforms: readonly PlatformFiles[],
  context: ReleaseContext,
): readonly CliArchive[] => [
  ...platforms.map(({ platform, node }) =>
    writeCliArchive({ os: 'linux', architecture: platform.architecture }, node, context),
  ),
  ...DARWIN_TARGETS.map((target) => writeCliArchive(target, undefined, context)),
];

/** @param node package folder of Node; undefined: the archive has none */
const writeCliArchive = (
  target: CliTarget,
  node: string | undefined,
  { version, epochSeconds, dist, work, out }: ReleaseContext,
): CliArchive => {
  const name = `kubectl-valetkey_${version}_${target.os}_${target.architecture}`;
  const folder = join(work, name);
  mkdirSync(folder, { recursive: true });
  for (const file of ['kubectl-valetkey.cjs', 'data', NOTICES_FILE, ...POLICY_BUNDLE.files])
    cpSync(join(dist, file), join(folder, file), { recursive: true });
  cpSync(join(ROOT, 'LICENSE'), join(folder, 'LICENSE'));
  if (node !== undefined) {
    cpSync(join(node, 'bin/node'), join(folder, 'node'));
    cpSync(join(node, 'LICENSE'), join(folder, 'LICENSE.node'));
    chmodSync(join(folder, 'node'), 0o755);
  }
  writeFileSync(join(folder, 'kubectl-valetkey'), LAUNCHER, { mode: 0o755 });
  writeFileSync(join(folder, 'kubectl_complete-valetkey'), COMPLETION, { mode: 0o755 });
  const archive = compress(packFolder(folder, epochSeconds, readdirSync(folder).sort()));
  writeFileSync(join(out, `${name}.tar.gz`), archive);
  return { name: `${name}.tar.gz`, sha256: toSha256(archive), target };
};
