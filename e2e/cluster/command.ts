import { spawn } from 'node:child_process';
import { buildChildEnvironment } from './host-environment.ts';

export type Output = { stdout: string; stderr: string };
export type RunOptions = {
  input?: string;
  timeoutMs?: number;
  cwd?: string;
  env?: Record<string, string>;
};

/** A command failed. The message contains its standard error. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;

  constructor(command: string, exitCode: number | null, output: Output) {
    const said = output.stderr.trim() || output.stdout.trim() || 'no output';
    super(`${command} ended with ${exitCode ?? 'a signal'}: ${said}`);
    this.exitCode = exitCode;
    this.stdout = output.stdout;
    this.stderr = output.stderr;
  }
}

/** Runs a program without a shell until it ends. After `timeoutMs` (default 120,000) it is killed. */
export function runCommand(
  command: string,
  args: string[],
  options: RunOptions = {},
): Promise<Output> {
  const { promise, resolve, reject } = Promise.withResolvers<Output>();
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: buildChildEnvironment(options.env),
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    timeout: options.timeoutMs ?? 120_000,
    killSignal: 'SIGKILL',
  });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk));
  child.on('error', reject);
  child.on('close', (code) => {
    const output = {
      stdout: Buffer.concat(stdout).toString(),
      stderr: Buffer.concat(stderr).toString(),
    };
    if (code === 0) resolve(output);
    else reject(new CommandError([command, ...args].join(' ').slice(0, 300), code, output));
  });
  // If a program ends without reading its input, its exit code matters, not EPIPE.
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(options.input);
  return promise;
}

/** Whether a command succeeds. */
export async function succeeds(
  command: string,
  args: string[],
  options: RunOptions = {},
): Promise<boolean> {
  try {
    await runCommand(command, args, options);
    return true;
  } catch {
    return false;
  }
}
