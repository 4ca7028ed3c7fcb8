import { cpSync, existsSync, readdirSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { listLinkedLibraries, placeFile } from '../tools/image/root-folder.ts';
import { writeBusyboxRoot } from './cluster/images.ts';
import { runCommand } from './cluster/command.ts';

type PythonInstallation = { binary: string; stdlib: string; packages: string };

/** Large parts of Python's library and packages that no client needs. */
const EXCLUDED_MODULES =
  /\/(test|idlelib|ensurepip|lib2to3|config-[^/]+|pip|setuptools|awscli\/examples|__pycache__)$/;

/**
 * Writes a root file system with busybox and the unmodified awscli of a virtual environment, at the same
 * paths as on this machine.
 *
 * @param python the interpreter of the virtual environment that has awscli
 */
export const writeAwscliRoot = async (folder: string, python: string): Promise<string> => {
  await writeBusyboxRoot(folder);
  const { binary, stdlib, packages } = await describePython(python);
  const isWanted = (path: string) => !EXCLUDED_MODULES.test(path);
  cpSync(stdlib, join(folder, stdlib), {
    recursive: true,
    filter: (path) => isWanted(path) && path !== join(stdlib, 'site-packages'),
  });
  cpSync(packages, join(folder, packages), { recursive: true, filter: isWanted });
  const libraries = listLibraries([binary, ...listModules(stdlib)]);
  for (const file of [binary, ...libraries]) placeFile(file, join(folder, file));
  return folder;
};

/** Returns the command that starts awscli in that image. */
export const buildAwscliCommand = async (python: string): Promise<string[]> => {
  const { binary, packages } = await describePython(python);
  return ['/bin/env', `PYTHONPATH=${packages}`, binary, '-m', 'awscli'];
};

const describePython = async (python: string): Promise<PythonInstallation> => {
  const script =
    'import sys, sysconfig, json; print(json.dumps([sysconfig.get_path("stdlib"), sysconfig.get_path("purelib")]))';
  const { stdout } = await runCommand(python, ['-c', script]);
  const [stdlib, packages] = JSON.parse(stdout) as [string, string];
  return { binary: realpathSync(python), stdlib, packages };
};

const listModules = (stdlib: string): string[] => {
  const folder = join(stdlib, 'lib-dynload');
  return existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [];
};

const listLibraries = (binaries: string[]): Set<string> =>
  new Set(binaries.flatMap(listLinkedLibraries).filter((path) => dirname(path) !== '/'));
