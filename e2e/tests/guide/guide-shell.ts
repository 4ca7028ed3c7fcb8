import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { waitFor } from '../../../test/kit/retry.ts';
import { CommandError, runCommand } from '../../cluster/command.ts';

const root = join(import.meta.dirname, '..', '..', '..');

/** Runs a block of commands as a reader would; returns its standard output. @throws CommandError if one fails */
export type RunBlock = (text: string) => Promise<string>;

export type GuideShellOptions = {
  /** Command → file. */
  readonly programs: Readonly<Record<string, string>>;
  readonly env: Readonly<Record<string, string>>;
  /** Prepares the folder that is first on PATH; by default it gets the plugin of this checkout. */
  readonly addPlugin?: (bin: string) => void;
};

/** Creates a shell in a folder that has the chart, with the reader's programs. */
export const createGuideShell = (
  folder: string,
  { programs, env, addPlugin = writePlugin }: GuideShellOptions,
): RunBlock => {
  const bin = join(folder, 'bin');
  mkdirSync(bin, { recursive: true });
  symlinkSync(join(root, 'charts'), join(folder, 'charts'));
  for (const [name, file] of Object.entries(programs)) symlinkSync(file, join(bin, name));
  addPlugin(bin);
  const path = `${bin}:${process.env['PATH'] ?? ''}`;
  return async (text) => {
    const options = { cwd: folder, env: { ...env, HOME: folder, PATH: path }, timeoutMs: 400_000 };
    return (await runCommand('bash', ['-euo', 'pipefail', '-c', text], options)).stdout;
  };
};

/** The output of a block whose last command may end with one of these statuses, because it finds problems. */
export const runWithProblems = async (
  run: RunBlock,
  text: string,
  statuses: readonly number[],
): Promise<string> => {
  try {
    return await run(text);
  } catch (error) {
    if (error instanceof CommandError && statuses.includes(error.exitCode ?? 0))
      return error.stdout;
    throw error;
  }
};

/** Waits for the end of the guides' pod `reporter`, and returns what its agent printed. */
export const readReporterOutput = async (run: RunBlock): Promise<string> => {
  const phase = "kubectl -n research get pod reporter -o jsonpath='{.status.phase}'";
  const about =
    'kubectl -n research describe pod reporter; kubectl -n research logs reporter --all-containers --tail 20';
  await waitFor('the pod to complete', async () => (await run(phase)) === 'Succeeded', {
    timeoutMs: 150_000,
  }).catch(async (error: unknown) => {
    throw new Error(`${String(error)}\n${await run(about)}`);
  });
  return run('kubectl -n research logs reporter -c agent');
};

/** The bundle of `make e2e`, as readers have it. */
const writePlugin = (bin: string): void => {
  const file = join(bin, 'kubectl-valetkey');
  const program = join(root, 'dist', 'kubectl-valetkey.cjs');
  writeFileSync(file, `#!/bin/sh\nexec "${process.execPath}" "${program}" "$@"\n`);
  chmodSync(file, 0o755);
};
