import { spawn, type ChildProcess } from 'node:child_process';
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { readLastLines } from '../test/kit/files.ts';

/** A process to start, with exactly this environment and one log file for all output. */
export type ChildPlan = {
  readonly name: string;
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly log: string;
  readonly cwd: string;
};

export type Child = {
  readonly name: string;
  /** 0 if it could not be started. */
  readonly pid: number;
  /** Complete lines of its standard output so far. */
  readonly lines: () => readonly string[];
  /** Resolves to its exit code or the name of the signal. */
  readonly ended: Promise<number | string>;
  readonly isRunning: () => boolean;
  /** Writes a line to its standard input. */
  readonly sendLine: (line: string) => void;
  readonly lastLog: () => string;
  /** Sends SIGTERM, and SIGKILL if it is still running 5 s later. */
  readonly stop: () => Promise<void>;
};

const GRACE_MS = 5_000;

/** Starts a child process. {@link Child.stop} always ends it. */
export const startChild = (plan: ChildPlan): Child => {
  mkdirSync(dirname(plan.log), { recursive: true });
  writeFileSync(plan.log, '');
  const [file = '', ...args] = plan.command;
  const child = spawn(file, args, {
    env: { ...plan.env },
    cwd: plan.cwd,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  // It may have ended.
  child.stdin.on('error', () => undefined);
  const printed: Buffer[] = [];
  child.stdout.on('data', (part: Buffer) => {
    printed.push(part);
    appendFileSync(plan.log, part);
  });
  child.stderr.on('data', (part: Buffer) => appendFileSync(plan.log, part));
  const ended = waitForExit(child);
  const isRunning = (): boolean => child.exitCode === null && child.signalCode === null;
  return {
    name: plan.name,
    pid: child.pid ?? 0,
    lines: () => Buffer.concat(printed).toString().split('\n').slice(0, -1),
    ended,
    isRunning,
    sendLine: (line) => {
      child.stdin.write(`${line}\n`);
    },
    lastLog: () => readLastLines(plan.log),
    stop: async () => {
      if (!isRunning()) return;
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), GRACE_MS);
      await ended;
      clearTimeout(timer);
    },
  };
};

const waitForExit = (child: ChildProcess): Promise<number | string> =>
  new Promise((resolve) => {
    child.once('error', (error) => {
      resolve(error.message);
    });
    child.once('close', (code, signal) => {
      resolve(code ?? signal ?? 'unknown');
    });
  });
