import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from './config.ts';
import { run } from './run.ts';
import type { Progress } from './progress.ts';

const version = 'k8s.io/component-base/version';

/** Each Go module of ours: its linker flags and the programs that its `tool` lines name. */
const modules = {
  // Without a version the components refuse one another's skew.
  kubernetes: {
    ldflags: `-s -w -X ${version}.gitVersion=v1.35.4 -X ${version}.gitMajor=1 -X ${version}.gitMinor=35`,
    programs: [
      'kube-apiserver',
      'kube-controller-manager',
      'kube-scheduler',
      'kubelet',
      'kube-proxy',
      'kubectl',
    ],
  },
  coredns: { ldflags: '-s -w', programs: ['coredns'] },
  minio: { ldflags: '-s -w', programs: ['minio'] },
  helm: { ldflags: '-s -w', programs: ['helm'] },
} as const;

export type ModuleName = keyof typeof modules;
export type ProgramName = (typeof modules)[ModuleName]['programs'][number];
export type Programs = Record<ProgramName, string>;

export const moduleNames = Object.keys(modules) as ModuleName[];

/** Builds what the cache lacks (cold: minutes) and returns the path of every program. */
export async function buildPrograms(progress: Progress): Promise<Programs> {
  const programs: Partial<Programs> = {};
  for (const name of moduleNames) {
    const folder = await buildModule(name, progress);
    for (const program of modules[name].programs) programs[program] = join(folder, program);
  }
  return programs as Programs;
}

/** Builds one module's programs if the cache lacks them, and returns their folder. */
export async function buildModule(name: ModuleName, progress: Progress): Promise<string> {
  const folder = moduleFolder(name);
  if (existsSync(folder)) return folder;
  progress(`building ${name} (once; minutes when the Go cache is cold)`);
  const unfinished = `${folder}.unfinished-${process.pid}`;
  mkdirSync(unfinished, { recursive: true });
  try {
    await goBuild(name, unfinished);
    keep(unfinished, folder);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
  progress(`built ${name}`);
  return folder;
}

/** Where a program is or will be, without building anything. */
export function programPath(name: ProgramName): string {
  const module = moduleNames.find((candidate) =>
    modules[candidate].programs.some((own) => own === name),
  );
  if (module === undefined) throw new Error(`program: expected one of ours, got ${name}`);
  return join(moduleFolder(module), name);
}

async function goBuild(name: ModuleName, output: string): Promise<void> {
  const args = [
    'build',
    '-trimpath',
    '-ldflags',
    modules[name].ldflags,
    '-o',
    `${output}/`,
    'tool',
  ];
  await run('go', args, {
    cwd: sourceFolder(name),
    env: { CGO_ENABLED: '0', GOFLAGS: '' },
    timeoutMs: 60 * 60_000,
  });
}

/** Two runs may build at once: the first to finish wins, and the other's work is thrown away. */
function keep(unfinished: string, folder: string): void {
  try {
    renameSync(unfinished, folder);
  } catch (error) {
    if (!existsSync(folder)) throw error;
  }
}

function moduleFolder(name: ModuleName): string {
  const hash = createHash('sha256').update(modules[name].ldflags).update(process.arch);
  for (const file of ['go.mod', 'go.sum'])
    hash.update(readFileSync(join(sourceFolder(name), file)));
  return join(cacheFolder(), 'programs', `${name}-${hash.digest('hex').slice(0, 16)}`);
}

function sourceFolder(name: ModuleName): string {
  return join(import.meta.dirname, 'go', name);
}
