import { cpSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { listFilesBelow } from '../test/kit/files.ts';
import { listLinkedLibraries, placeFile } from '../tools/image/root-folder.ts';
import { writeBusyboxRoot } from './cluster/images.ts';
import { runCommand } from './cluster/command.ts';

type PythonInstallation = { binary: string; stdlib: string; packages: string };

/**
 * Bytecode is valid for a source of one time: with it a program starts in a fraction of the time, because a container
 * cannot write any.
 */
const COPY_OPTIONS = { recursive: true, preserveTimestamps: true } as const;

/** Large parts of Python's library and packages that no client needs. */
const EXCLUDED_MODULES =
  /\/(test|idlelib|ensurepip|lib2to3|config-[^/]+|pip|setuptools|awscli\/examples)$/;

/**
 * Writes a root file system with busybox, Python and the packages of virtual environments, at the same paths
 * as on this machine.
 *
 * @param pythons interpreters of virtual environments
 */
export const writePythonRoot = async (
  folder: string,
  pythons: readonly string[],
): Promise<string> => {
  await writeBusyboxRoot(folder);
  const isWanted = (path: string) => !EXCLUDED_MODULES.test(path);
  for (const { binary, stdlib, packages } of await Promise.all(pythons.map(describePython))) {
    cpSync(stdlib, join(folder, stdlib), {
      ...COPY_OPTIONS,
      filter: (path) => isWanted(path) && path !== join(stdlib, 'site-packages'),
    });
    cpSync(packages, join(folder, packages), { ...COPY_OPTIONS, filter: isWanted });
    const libraries = listLibraries([
      binary,
      ...listModules(join(stdlib, 'lib-dynload')),
      ...listModules(packages),
    ]);
    for (const file of [binary, ...libraries]) placeFile(file, join(folder, file));
  }
  return folder;
};

/** Returns the command that starts the Python of a virtual environment in that image. */
export const buildPythonCommand = async (python: string, ...args: string[]): Promise<string[]> => {
  const { binary, packages } = await describePython(python);
  return ['/bin/env', `PYTHONPATH=${packages}`, binary, ...args];
};

const describePython = async (python: string): Promise<PythonInstallation> => {
  const script =
    'import sys, sysconfig, json; print(json.dumps([sysconfig.get_path("stdlib"), sysconfig.get_path("purelib")]))';
  const { stdout } = await runCommand(python, ['-c', script]);
  const [stdlib, packages] = JSON.parse(stdout) as [string, string];
  return { binary: realpathSync(python), stdlib, packages };
};

/** Native modules, at any depth. */
const listModules = (folder: string): string[] =>
  listFilesBelow(folder).filter((file) => file.endsWith('.so'));

const listLibraries = (binaries: string[]): Set<string> =>
  new Set(binaries.flatMap(listLinkedLibraries).filter((path) => dirname(path) !== '/'));
