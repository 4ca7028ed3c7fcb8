import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

import { findFileFaults, findProgramFaults } from './root-folder-check.ts';
import { fillCompileCache } from './compile-cache.ts';
import { setFileModes } from './file-modes.ts';
import { NOTICES_FILE } from './license-notices.ts';
import { writeRootFolder } from './root-folder.ts';
import { PROGRAM_FOLDER } from '../../lib/contract/paths.ts';

const HELP = `node tools/image/main.ts [--out FOLDER]

Build the image's root file system in FOLDER (default: dist/image) from the bundles in dist/.
Linux only. As root, also fill the compile cache and run each program once as its user.
`;

const repositoryFolder = join(import.meta.dirname, '..', '..');

/** The folder of the Node version that the lock file pins for this machine; also contains its license. */
const findNodePackage = (): string => {
  const folder = join(repositoryFolder, 'node_modules', `node-linux-${process.arch}`);
  if (existsSync(join(folder, 'bin', 'node'))) return folder;
  throw new Error(`${folder}: expected Node for Linux, got none; run \`npm ci\` on Linux`);
};

const buildRootFolder = (out: string): readonly string[] => {
  const node = findNodePackage();
  const isRoot = process.getuid?.() === 0;
  writeRootFolder({
    out,
    nodeBinary: join(node, 'bin', 'node'),
    dist: join(repositoryFolder, 'dist'),
    licenses: {
      [`${PROGRAM_FOLDER}/LICENSE`]: join(repositoryFolder, 'LICENSE'),
      [`${PROGRAM_FOLDER}/${NOTICES_FILE}`]: join(repositoryFolder, 'dist', NOTICES_FILE),
      [`${PROGRAM_FOLDER}/LICENSE.node`]: join(node, 'LICENSE'),
    },
  });
  setFileModes(out, isRoot);
  if (!isRoot) {
    console.log(
      'not root: skipped the compile cache, file owners, and the test run of each program',
    );
    return findFileFaults(out);
  }
  fillCompileCache(out);
  setFileModes(out, isRoot);
  return [...findFileFaults(out), ...findProgramFaults(out)];
};

const main = (): number => {
  const options = { out: { type: 'string' }, help: { type: 'boolean', short: 'h' } } as const;
  const { values } = parseArgs({ options });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const out = resolve(values.out ?? join(repositoryFolder, 'dist', 'image'));
  const faults = buildRootFolder(out);
  for (const fault of faults) console.error(fault);
  const [size] = execFileSync('du', ['-sh', out], { encoding: 'utf8' }).split('\t');
  console.log(`${out}: ${size ?? '?'}, ${faults.length} faults`);
  return faults.length === 0 ? 0 : 1;
};

try {
  process.exitCode = main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
