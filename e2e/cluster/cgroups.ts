import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

/** Lists every mounted hierarchy: one for v2, several for v1. */
function listHierarchies(): string[] {
  return readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, , type]) => type === 'cgroup' || type === 'cgroup2')
    .map(([, path = '']) => path);
}

/** Creates the cgroup root in every hierarchy, as the kubelet requires. */
export function createCgroup(name: string): void {
  for (const hierarchy of listHierarchies()) {
    delegateControllers(hierarchy);
    const folder = join(hierarchy, name);
    mkdirSync(folder, { recursive: true });
    delegateControllers(folder);
    copyCpuset(hierarchy, folder);
  }
}

/** v2: enables in the parent the controllers that children may use. */
function delegateControllers(folder: string): void {
  const available = join(folder, 'cgroup.controllers');
  if (!existsSync(available)) return;
  for (const controller of readFileSync(available, 'utf8').split(/\s+/).filter(Boolean)) {
    writeFileSync(join(folder, 'cgroup.subtree_control'), `+${controller}`);
  }
}

/** v1: fills a new cpuset, because nothing can run in an empty one. */
function copyCpuset(parent: string, folder: string): void {
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    const own = join(folder, file);
    if (
      existsSync(own) &&
      existsSync(join(parent, file)) &&
      readFileSync(own, 'utf8').trim() === ''
    ) {
      writeFileSync(own, readFileSync(join(parent, file)));
    }
  }
}

/** Kills the processes that are left in our cgroups: containers without a runtime. */
export function killCgroup(name: string): void {
  for (const processId of new Set(listCgroupFolders(name).flatMap(listMembers))) {
    try {
      process.kill(processId, 'SIGKILL');
    } catch {
      // The process has already ended.
    }
  }
}

export function isCgroupEmpty(name: string): boolean {
  return listCgroupFolders(name).every((folder) => listMembers(folder).length === 0);
}

export function removeCgroup(name: string): void {
  for (const folder of listCgroupFolders(name).reverse()) rmdirSync(folder);
}

function listMembers(folder: string): number[] {
  return readFileSync(join(folder, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean).map(Number);
}

/** Lists our cgroup and all below it, in every hierarchy, parents first. */
function listCgroupFolders(name: string): string[] {
  return listHierarchies()
    .map((hierarchy) => join(hierarchy, name))
    .filter((folder) => existsSync(folder))
    .flatMap(listWithChildren);
}

function listWithChildren(folder: string): string[] {
  const children = readdirSync(folder, { withFileTypes: true }).filter((entry) =>
    entry.isDirectory(),
  );
  return [folder, ...children.flatMap((child) => listWithChildren(join(folder, child.name)))];
}
