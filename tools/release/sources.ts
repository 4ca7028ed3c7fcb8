import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

import { NODE_LIBRARIES, NODE_VERSION, type Platform } from './platforms.ts';

export const ROOT = join(import.meta.dirname, '../..');

/** Runs a program. @throws Error with its standard error */
export const run = (program: string, args: readonly string[], cwd = ROOT): string =>
  execFileSync(program, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

/**
 * Fetches Node for a platform with npm, and unpacks it below `folder`.
 *
 * @returns the package folder, with `bin/node` and `LICENSE`
 * @throws Error if the archive is not the one of package-lock.json
 */
export const fetchNode = ({ nodeArchitecture }: Platform, folder: string): string => {
  const name = `node-linux-${nodeArchitecture}`;
  const target = join(folder, name);
  mkdirSync(target, { recursive: true });
  run('npm', ['pack', '--loglevel=error', `${name}@${NODE_VERSION}`, '--pack-destination', target]);
  const archive = join(target, `${name}-${NODE_VERSION}.tgz`);
  checkDigest(archive, readIntegrity(name));
  run('tar', ['-xzf', archive, '-C', target, 'package/bin/node', 'package/LICENSE']);
  return join(target, 'package');
};

/** `sha512-…` of a package in package-lock.json. */
export const readIntegrity = (name: string): string => {
  const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
    readonly packages: Readonly<Record<string, { readonly integrity?: string } | undefined>>;
  };
  const integrity = lock.packages[`node_modules/${name}`]?.integrity;
  if (integrity === undefined) throw new Error(`package-lock.json: expected ${name}, got none`);
  return integrity;
};

/**
 * Compares the digest of a file with `<algorithm>-<base64>`.
 *
 * @throws Error that names the file and both digests
 */
export const checkDigest = (file: string, expected: string): void => {
  const [algorithm = ''] = expected.split('-', 1);
  const digest = createHash(algorithm).update(readFileSync(file)).digest('base64');
  const got = `${algorithm}-${digest}`;
  if (got !== expected) throw new Error(`${file}: expected ${expected}, got ${got}`);
};

/**
 * Fetches the pinned Debian packages with apt, which needs no root here, and unpacks them below `folder`.
 *
 * @returns the libraries that Node needs: source files by path in the image
 * @throws Error if a package has another digest, or lacks a library
 */
export const fetchLibraries = (
  platform: Platform,
  folder: string,
): Readonly<Record<string, string>> => {
  const { architecture, packages, loader, libraryFolder } = platform;
  const target = join(folder, `debian-${architecture}`);
  const unpacked = join(target, 'root');
  for (const path of ['state/lists/partial', 'cache/archives/partial', 'root'])
    mkdirSync(join(target, path), { recursive: true });
  const options = buildAptOptions(target, architecture);
  run('apt-get', [...options, 'update'], target);
  run(
    'apt-get',
    [...options, 'download', ...packages.map(({ name, version }) => `${name}=${version}`)],
    target,
  );
  for (const { name, sha256 } of packages) {
    const [file = ''] = globSync(join(target, `${name}_*_${architecture}.deb`));
    checkDigest(file, `sha256-${Buffer.from(sha256, 'hex').toString('base64')}`);
    run('dpkg-deb', ['-x', file, unpacked]);
  }
  const paths = [...NODE_LIBRARIES.map((name) => `${libraryFolder}/${name}`), loader];
  return Object.fromEntries(paths.map((path) => [path, findLibrary(unpacked, path)]));
};

/** A package manager state of its own: the machine's packages and sources do not matter. */
const buildAptOptions = (folder: string, architecture: string): readonly string[] => {
  const sources = join(folder, 'sources.list');
  const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
  writeFileSync(sources, `deb [signed-by=${keyring}] http://deb.debian.org/debian bookworm main\n`);
  const settings = {
    'APT::Architecture': architecture,
    'APT::Architectures': architecture,
    'APT::Sandbox::User': 'root',
    'Dir::State': join(folder, 'state'),
    'Dir::State::status': '/dev/null',
    'Dir::Cache': join(folder, 'cache'),
    'Dir::Etc::sourcelist': sources,
    'Dir::Etc::sourceparts': '/dev/null',
  };
  return Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
};

/** Debian has libraries in /lib or /usr/lib, mostly as links to versioned files. */
const findLibrary = (unpacked: string, path: string): string => {
  const found = [path, `/usr${path}`]
    .map((candidate) => join(unpacked, candidate))
    .find((candidate) => existsSync(candidate));
  if (found === undefined) throw new Error(`${path}: expected in the Debian packages, got none`);
  return realpathSync(found);
};
