/**
 * Runs every check that needs no cluster: `node tools/checks.ts [--lint-only] [arguments of jest]`.
 * The linters run side by side, one for each core; then jest runs, which uses all cores itself. All of
 * them run even if one fails, so that one run shows all problems.
 */
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const sources = ['lib', 'cmd', 'e2e', 'bench', 'demo', 'fuzz', 'test', 'tools'];

/** Commands by name; the longest goes first. */
const linters: Readonly<Record<string, string[]>> = {
  eslint: ['eslint', '.'],
  prettier: ['prettier', '--check', '--cache', '.'],
  tsc: [
    ...['tsc', '--noEmit', '--incremental'],
    ...['--tsBuildInfoFile', 'node_modules/.cache/tsc.tsbuildinfo'],
  ],
  depcruise: ['depcruise', '--config', '.dependency-cruiser.mjs', ...sources],
  knip: ['knip'],
  words: [process.execPath, 'tools/lint/main.ts'],
};

const jest = [
  process.execPath,
  '--experimental-vm-modules',
  '--disable-warning=ExperimentalWarning',
  'node_modules/jest/bin/jest.js',
];

type Result = { isPassed: boolean; output: string; seconds: number };

const run = ([command = '', ...args]: string[], stdio: 'inherit' | 'pipe'): Promise<Result> => {
  const { promise, resolve, reject } = Promise.withResolvers<Result>();
  const startedAt = performance.now();
  const path = `${join(root, 'node_modules/.bin')}:${process.env['PATH'] ?? ''}`;
  const child = spawn(command, args, {
    cwd: root,
    stdio: ['ignore', stdio, stdio],
    env: { ...process.env, PATH: path },
  });
  const chunks: Buffer[] = [];
  child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.stderr?.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.on('error', reject);
  child.on('close', (code) => {
    const seconds = (performance.now() - startedAt) / 1000;
    resolve({ isPassed: code === 0, output: Buffer.concat(chunks).toString(), seconds });
  });
  return promise;
};

const runLinters = async (): Promise<string[]> => {
  const failed: string[] = [];
  const waiting = Object.entries(linters).values();
  const lane = async (): Promise<void> => {
    for (const [name, linter] of waiting) {
      const { isPassed, output, seconds } = await run(linter, 'pipe');
      console.log(`${isPassed ? 'PASS' : 'FAIL'} ${name} (${seconds.toFixed(1)} s)`);
      if (isPassed) continue;
      console.log(output);
      failed.push(name);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, lane));
  return failed;
};

const runJest = async (args: string[]): Promise<string[]> => {
  const { isPassed } = await run([...jest, ...args], 'inherit');
  return isPassed ? [] : ['jest'];
};

const args = process.argv.slice(2);
const isLintOnly = args[0] === '--lint-only';
const failed = [...(await runLinters()), ...(isLintOnly ? [] : await runJest(args))];
if (failed.length > 0) {
  console.error(`Failed: ${failed.join(', ')}`);
  process.exitCode = 1;
}
