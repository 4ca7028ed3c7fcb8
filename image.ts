import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

import { fileFaults, programFaults } from './image/check.ts';
import { fillCompileCache } from './image/compile-cache.ts';
import { settleModes } from './image/modes.ts';
import { NOTICES_FILE } from './image/notices.ts';
import { writeRootFolder } from './image/root-folder.ts';
import { PROGRAM_FOLDER } from './lib/contract/paths.ts';

const HELP = `node image.ts [--out FOLDER]

Builds the image's root file system in FOLDER (dist/image unless given) from the bundles in dist/.
Linux only. As root it also fills the compile cache and tries every program as its own user.
`;

const here = import.meta.dirname;

/** Node as the lock file pins it for this machine, with its licence beside it. */
const nodePackage = (): string => {
  const folder = join(here, 'node_modules', `node-linux-${process.arch}`);
  if (existsSync(join(folder, 'bin', 'node'))) return folder;
  throw new Error(`${folder}: expected Node for Linux, got none; run \`npm ci\` on Linux`);
};

const build = (out: string): readonly string[] => {
  const node = nodePackage();
  const isRoot = process.getuid?.() === 0;
  writeRootFolder({
    out,
    nodeBinary: join(node, 'bin', 'node'),
    dist: join(here, 'dist'),
    licences: {
      [`${PROGRAM_FOLDER}/LICENSE`]: join(here, 'LICENSE'),
      [`${PROGRAM_FOLDER}/${NOTICES_FILE}`]: join(here, 'dist', NOTICES_FILE),
      [`${PROGRAM_FOLDER}/LICENSE.node`]: join(node, 'LICENSE'),
    },
  });
  settleModes(out, isRoot);
  if (!isRoot) {
    console.log('not root: no compile cache, owners as they are, programs not tried');
    return fileFaults(out);
  }
  fillCompileCache(out);
  settleModes(out, isRoot);
  return [...fileFaults(out), ...programFaults(out)];
};

const main = (): number => {
  const options = { out: { type: 'string' }, help: { type: 'boolean', short: 'h' } } as const;
  const { values } = parseArgs({ options });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const out = resolve(values.out ?? join(here, 'dist', 'image'));
  const faults = build(out);
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
