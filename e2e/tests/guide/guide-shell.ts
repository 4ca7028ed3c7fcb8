import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runCommand } from '../../cluster/command.ts';

const root = join(import.meta.dirname, '..', '..', '..');

/** Runs a block of commands as a reader would; returns its standard output. @throws CommandError if one fails */
export type RunBlock = (text: string) => Promise<string>;

/**
 * Creates a shell in a folder that has the chart, with the reader's programs.
 *
 * @param programs command → file
 */
export const createGuideShell = (
  folder: string,
  {
    programs,
    env,
  }: {
    readonly programs: Readonly<Record<string, string>>;
    readonly env: Readonly<Record<string, string>>;
  },
): RunBlock => {
  const bin = join(folder, 'bin');
  mkdirSync(bin, { recursive: true });
  symlinkSync(join(root, 'charts'), join(folder, 'charts'));
  for (const [name, file] of Object.entries(programs)) symlinkSync(file, join(bin, name));
  writePlugin(join(bin, 'kubectl-valetkey'));
  const path = `${bin}:${process.env['PATH'] ?? ''}`;
  return async (text) => {
    const options = { cwd: folder, env: { ...env, HOME: folder, PATH: path }, timeoutMs: 400_000 };
    return (await runCommand('bash', ['-euo', 'pipefail', '-c', text], options)).stdout;
  };
};

const writePlugin = (file: string): void => {
  const program = join(root, 'cmd', 'kubectl-valetkey', 'main.ts');
  writeFileSync(file, `#!/bin/sh\nexec "${process.execPath}" "${program}" "$@"\n`);
  chmodSync(file, 0o755);
};
