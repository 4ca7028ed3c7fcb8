import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { COMPILE_CACHE_FOLDER, NODE_PATH, PROGRAM_FOLDER } from '../../lib/contract/paths.ts';
import { runInChroot } from './chroot.ts';
import { IMAGE_PROGRAMS } from './image-programs.ts';

type FileEntry = {
  readonly path: string;
  readonly mode: number;
  readonly uid: number;
  readonly isFile: boolean;
};

/** Lists everything in the root folder, by path in the image. */
const listEntries = (rootFolder: string): readonly FileEntry[] =>
  readdirSync(rootFolder, { recursive: true, encoding: 'utf8' }).map((path) => {
    const status = lstatSync(join(rootFolder, path));
    return {
      path: `/${path}`,
      mode: status.mode & 0o7777,
      uid: status.uid,
      isFile: !status.isDirectory(),
    };
  });

const isLibrary = (path: string): boolean => /^\/(usr\/)?lib(64)?\/.*\.so(\.\d+)*$/.test(path);
const isProgramFile = (path: string): boolean =>
  path === NODE_PATH || path.startsWith('/etc/') || path.startsWith(`${PROGRAM_FOLDER}/`);

/** Finds unexpected, missing and wrongly permitted files in a root folder. Each error names the file. */
export const findFileFaults = (rootFolder: string): readonly string[] => {
  const entries = listEntries(rootFolder);
  const say = (sentence: string, isWrong: (entry: FileEntry) => boolean): string[] =>
    entries.filter(isWrong).map(({ path }) => `${path}: ${sentence}`);
  return [
    ...say(
      'expected a file of the image or a library',
      ({ path, isFile }) => isFile && !isProgramFile(path) && !isLibrary(path),
    ),
    ...say('is a source map', ({ path }) => path.endsWith('.map')),
    ...say(
      'is not 0111, so that its processes could be traced',
      ({ path, mode }) => path === NODE_PATH && mode !== 0o111,
    ),
    ...say('can be written by others', ({ path, mode }) => path !== '/tmp' && (mode & 0o022) !== 0),
    ...say('changes its user when run', ({ mode }) => (mode & 0o6000) !== 0),
  ];
};

/** Checks that require root: file owners, and a run of each program as its user. */
export const findProgramFaults = (rootFolder: string): readonly string[] => [
  ...listEntries(rootFolder)
    .filter(({ uid }) => uid !== 0)
    .map(({ path }) => `${path}: is not root's`),
  ...IMAGE_PROGRAMS.flatMap((program) => {
    const debug = { NODE_DEBUG_NATIVE: 'COMPILE_CACHE' };
    const { stdout, stderr } = runInChroot(rootFolder, program, ['--help'], debug);
    return [
      ...(stdout.includes('VALETKEY_') ? [] : [`${program.name}: --help names no setting`]),
      ...(/code cache .* was accepted/.test(stdout + stderr)
        ? []
        : [`${COMPILE_CACHE_FOLDER}: holds nothing that ${program.name} can use`]),
    ];
  }),
];
