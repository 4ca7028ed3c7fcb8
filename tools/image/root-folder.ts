import { execFileSync } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { COMPILE_CACHE_FOLDER, NODE_PATH, PROGRAM_FOLDER } from '../../lib/contract/paths.ts';
import { SMOKE_PROBE_FILE } from '../../lib/contract/smoke-test.ts';
import { POLICY_BUNDLE } from '../../lib/policy/cedar-bundle.ts';
import { LAZY_BUNDLES } from '../build/lazy-bundles.ts';
import { IMAGE_PROGRAMS, type ImageProgram } from './image-programs.ts';

export type RootFolderPlan = {
  /** Output folder. It is emptied first. */
  readonly out: string;
  readonly nodeBinary: string;
  /** Libraries of the binary: source files by path in the image. Default: those of this machine. */
  readonly libraries?: Readonly<Record<string, string>>;
  /** Folder of the bundles (`<program>.cjs`) and of the data files that they read. */
  readonly dist: string;
  /** Source files by path in the image. */
  readonly licenses: Readonly<Record<string, string>>;
};

/**
 * Writes the image's root file system: only Node, the libraries it is linked to, the bundles and the
 * users. It contains no shell and no package manager.
 *
 * @throws Error that names the missing bundle
 */
export const writeRootFolder = (plan: RootFolderPlan): void => {
  const inside = (path: string): string => join(plan.out, path);
  rmSync(plan.out, { recursive: true, force: true });
  const { libraries = findLinkedLibraries(plan.nodeBinary), licenses } = plan;
  for (const [path, source] of Object.entries({ ...libraries, ...licenses }))
    placeFile(source, inside(path));
  copyBundles(plan.dist, inside(PROGRAM_FOLDER));
  mkdirSync(inside(COMPILE_CACHE_FOLDER), { recursive: true });
  writeEtc(inside('/etc'));
  mkdirSync(inside('/tmp'));
  placeFile(plan.nodeBinary, inside(NODE_PATH));
};

/** Copies a file and creates its parent folders. */
export const placeFile = (source: string, target: string): void => {
  mkdirSync(dirname(target), { recursive: true });
  copyFileSync(source, target);
};

/** Copies the bundles and their data files, without source maps. */
const copyBundles = (dist: string, target: string): void => {
  const names = IMAGE_PROGRAMS.map(({ name }) => `${name}.cjs`);
  const others = [...LAZY_BUNDLES.map(({ file }) => file), SMOKE_PROBE_FILE];
  for (const name of [...names, ...others]) {
    const bundle = join(dist, name);
    if (!existsSync(bundle))
      throw new Error(`${bundle}: expected a bundle, got none; run \`make build\``);
    placeFile(bundle, join(target, name));
  }
  for (const name of ['data', ...POLICY_BUNDLE.files]) {
    if (existsSync(join(dist, name))) {
      cpSync(join(dist, name), join(target, name), { recursive: true });
    }
  }
};

/** Lists the libraries of a binary with the absolute paths that `ldd` prints: the loader searches only these. */
export const listLinkedLibraries = (binary: string): readonly string[] =>
  execFileSync('ldd', [binary], { encoding: 'utf8' })
    .split('\n')
    .flatMap((line) => /(?:=> |^\s*)(\/\S+) \(0x/.exec(line)?.[1] ?? []);

const findLinkedLibraries = (binary: string): Readonly<Record<string, string>> =>
  Object.fromEntries(listLinkedLibraries(binary).map((path) => [path, path]));

/** The AWS SDK reads the user's home folder from passwd, and getaddrinfo reads nsswitch.conf. */
const writeEtc = (folder: string): void => {
  const users = [['root', 0, 0] as const, ...IMAGE_PROGRAMS.map(formatUser)];
  const passwd = users.map(([name, uid, gid]) => `${name}:x:${uid}:${gid}::/:/nonexistent`);
  const group = users.map(([name, , gid]) => `${name}:x:${gid}:`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'passwd'), `${passwd.join('\n')}\n`);
  writeFileSync(join(folder, 'group'), `${group.join('\n')}\n`);
  writeFileSync(join(folder, 'nsswitch.conf'), 'hosts: files dns\n');
};

const formatUser = ({ name, user }: ImageProgram): readonly [string, number, number] => [
  `valetkey-${name}`,
  user.uid,
  user.gid,
];
