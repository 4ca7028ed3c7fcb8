import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { AUTHORITY_COMMAND, SIDECAR_COMMAND, WEBHOOK_COMMAND } from '../lib/contract/runtime.ts';

/** What every measurement is given. */
export type Bench = {
  /** Temporary; gone when the bench ends. */
  folder: string;
  /** Folder of our programs, each bundled to one file. */
  programs: string;
  /** The bare Go program; undefined without Go. */
  baseline: string | undefined;
  repeats: number;
  /** Of each load. */
  seconds: number;
  progress: (message: string) => void;
  /** Further flags of Node for our programs, such as those of its profiler. */
  nodeFlags?: readonly string[];
};

/**
 * Bundles our programs as the image does; the folder that holds them.
 *
 * @param flags of `tools/build/main.ts`
 */
export async function buildPrograms(flags: readonly string[] = []): Promise<string> {
  const root = join(import.meta.dirname, '..');
  const program = join(root, 'tools', 'build', 'main.ts');
  await promisify(execFile)(process.execPath, [program, ...flags], { cwd: root });
  return join(root, 'dist');
}

/** Where our programs find code compiled before. */
export const getCompileCacheFolder = (folder: string): string => join(folder, 'compile-cache');

const commands = {
  sidecar: SIDECAR_COMMAND,
  webhook: WEBHOOK_COMMAND,
  authority: AUTHORITY_COMMAND,
} as const;
export type ProgramName = keyof typeof commands;

/**
 * In a container V8 takes half of the memory limit for its heap: here, without one, this flag says so. The
 * limit is the chart's for webhook and authority, 512 MiB. The sidecar has a flag of its own.
 */
const CONTAINER_HEAP_FLAGS = ['--max-old-space-size=256'];

/** Starts a program as its container does, but with this Node and the bundle that is measured. */
export function getCommand(
  { programs, nodeFlags = [] }: Bench,
  name: ProgramName,
): [string, string[]] {
  // The first word is Node, the last one the program; between them are flags.
  const flags = commands[name].slice(1, -1);
  const heap = name === 'sidecar' ? [] : CONTAINER_HEAP_FLAGS;
  return [process.execPath, [...flags, ...heap, ...nodeFlags, join(programs, `${name}.cjs`)]];
}

/** Runs each program once to a clean exit, as the image's build does: V8 then keeps what it compiled. */
export async function fillCompileCache(bench: Bench): Promise<void> {
  const env = { NODE_COMPILE_CACHE: getCompileCacheFolder(bench.folder) };
  for (const name of Object.keys(commands) as ProgramName[]) {
    const [command, args] = getCommand(bench, name);
    await promisify(execFile)(command, [...args, '--help'], { env, timeout: 30_000 });
  }
}

/** Builds the bare Go program; undefined where there is no Go. */
export async function buildBaseline(folder: string): Promise<string | undefined> {
  const program = join(folder, 'baseline');
  const run = promisify(execFile);
  try {
    await run('go', ['version']);
  } catch {
    return undefined;
  }
  const cwd = join(import.meta.dirname, 'baseline');
  const env = { ...process.env, CGO_ENABLED: '0', GOFLAGS: '' };
  await run('go', ['build', '-trimpath', '-o', program, '.'], { cwd, env, timeout: 300_000 });
  return program;
}
