import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { getProgramPath } from '../../e2e/cluster/programs.ts';
import { VERSION } from '../../lib/contract/version.ts';
import { findFreePorts } from '../../test/kit/free-ports.ts';
import { waitFor } from '../../test/kit/retry.ts';
import { ROOT, run } from './sources.ts';

/** Where `make release` writes. */
export const RELEASE = join(ROOT, 'dist/release');

/** A registry on this machine, which clients call without TLS. */
export type LocalRegistry = {
  readonly address: string;
  /** The file of a blob, by its digest. */
  readonly getBlobFile: (digest: string) => string;
  readonly stop: () => void;
};

/** Starts a registry that keeps its blobs below `folder`. */
export const startRegistry = async (folder: string): Promise<LocalRegistry> => {
  const [port = 0] = await findFreePorts(1);
  const address = `127.0.0.1:${port}`;
  const config = join(folder, 'registry.yml');
  const root = join(folder, 'registry');
  const storage = `storage: { filesystem: { rootdirectory: ${root} } }`;
  writeFileSync(config, `version: 0.1\n${storage}\nhttp: { addr: "${address}" }\n`);
  const child = spawn(getProgramPath('registry'), ['serve', config], { stdio: 'ignore' });
  await waitFor('the registry', async () => (await fetch(`http://${address}/v2/`)).ok);
  return {
    address,
    getBlobFile: (digest) => {
      const [algorithm = '', hex = ''] = digest.split(':');
      const blobs = join(root, 'docker/registry/v2/blobs', algorithm);
      return join(blobs, hex.slice(0, 2), hex, 'data');
    },
    stop: () => child.kill(),
  };
};

/** Runs crane. @returns its standard output @throws Error with its standard error */
export const crane = (...args: readonly string[]): string =>
  run(getProgramPath('crane'), [...args, '--insecure']).trim();

/** The parts of a release that a registry has. */
export const RELEASE_PARTS = ['image', 'chart'] as const;
type ReleasePart = (typeof RELEASE_PARTS)[number];
type PerPart = Readonly<Record<ReleasePart, string>>;

/** @returns the digests of the release, as its file `digests.json` states them */
export const readReleaseDigests = (): PerPart =>
  JSON.parse(readFileSync(join(RELEASE, 'digests.json'), 'utf8')) as PerPart;

/** Pushes both layouts of the release. @returns their repositories */
export const pushRelease = ({ address }: LocalRegistry): PerPart => {
  const repositories = { image: `${address}/valetkey`, chart: `${address}/charts/valetkey` };
  for (const part of RELEASE_PARTS)
    crane('push', join(RELEASE, part), `${repositories[part]}:${VERSION}`);
  return repositories;
};

/** Unpacks the plugin for Linux on amd64. @returns its program */
export const unpackPlugin = (folder: string): string => {
  const archive = `kubectl-valetkey_${VERSION}_linux_amd64.tar.gz`;
  run('tar', ['-xzf', join(RELEASE, archive), '-C', folder]);
  return join(folder, 'kubectl-valetkey');
};

/** Writes programs that fail instead of those that only a checkout needs, to be first on PATH. */
export const writeFailingPrograms = (folder: string): void => {
  for (const name of ['node', 'npm'])
    writeFileSync(join(folder, name), `#!/bin/sh\necho "${name} was called" >&2\nexit 97\n`, {
      mode: 0o755,
    });
};
