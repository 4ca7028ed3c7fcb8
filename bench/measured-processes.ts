import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { request as http } from 'node:http';
import type { ClientRequest, IncomingMessage, RequestOptions } from 'node:http';
import { request as https } from 'node:https';
import { availableParallelism } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';

/** A program under measurement. */
export type MeasuredProgram = { pid: number; stop: () => Promise<void> };

export type Core = 'server' | 'load';

export type ProgramPlan = {
  command: string;
  args: readonly string[];
  /** All of its environment. */
  env: Readonly<Record<string, string>>;
  /** Which core it is held to, where there are two and `taskset`. */
  core?: Core;
  /** Where its standard output is appended; absent: it is discarded. */
  outputFile?: string;
};

/** Changes how a program is started: what runs it, or its environment. */
export type WrapCommand = (plan: ProgramPlan) => ProgramPlan;

const canPin = existsSync('/usr/bin/taskset') && availableParallelism() >= 2;
const cores = { server: '0', load: '1' } as const;

/** A command held to one core where that can be done. */
export function pinToCore(
  command: string,
  args: readonly string[],
  core?: Core,
): [string, string[]] {
  if (core === undefined || !canPin) return [command, [...args]];
  return ['/usr/bin/taskset', ['--cpu-list', cores[core], command, ...args]];
}

/** A program under measurement that can also be killed, as a node that is lost kills it. */
export type KillableProgram = MeasuredProgram & { kill: () => Promise<void> };

/** Starts a program; if it ends before it is stopped, `stop` and the waiting functions say why. */
export function startProgram({
  command,
  args,
  env,
  core,
  outputFile,
}: ProgramPlan): KillableProgram {
  const output = outputFile === undefined ? 'ignore' : openSync(outputFile, 'a');
  const child = spawn(...pinToCore(command, args, core), {
    env,
    stdio: ['ignore', output, 'pipe'],
  });
  if (typeof output === 'number') closeSync(output);
  const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null;
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-2000)));
  if (child.pid === undefined) throw new Error(`${command} could not be started`);
  const stop = async (): Promise<void> => {
    if (hasEnded()) {
      throw new Error(`${command} ended by itself: ${said || 'it said nothing'}`);
    }
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), 5000);
    await ended;
    clearTimeout(timer);
  };
  const kill = async (): Promise<void> => {
    // The kernel may have killed it already.
    if (hasEnded()) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  };
  return { pid: child.pid, stop, kill };
}

/** Asks each millisecond until the answer is 200; the answer's body. */
export async function waitUntilAnswered(
  target: RequestOptions,
  { timeoutMs = 30_000, everyMs = 1 } = {},
): Promise<string> {
  const deadline = performance.now() + timeoutMs;
  let last = 'nothing';
  while (performance.now() < deadline) {
    try {
      const { status, body } = await sendGet(target);
      if (status === 200) return body;
      last = `${status}: ${body.slice(0, 300)}`;
    } catch (error) {
      last = String(error);
    }
    await pause(everyMs);
  }
  const where = target.socketPath ?? `port ${target.port ?? '?'}`;
  throw new Error(`${where}: expected 200 within ${timeoutMs} ms, got ${last}`);
}

type HttpAnswer = { status: number; body: string };

/** One GET on this machine. */
export const sendGet = (target: RequestOptions): Promise<HttpAnswer> =>
  sendRequest((onAnswer) => http({ ...bounds, ...target }, onAnswer));

/** One POST of JSON to this machine over HTTPS. */
export const postJson = (port: number, body: string): Promise<HttpAnswer> => {
  const headers = { 'content-type': 'application/json' };
  // The certificate is one of the measured webhook's own; nothing secret is sent.
  const options = { ...bounds, port, path: '/mutate', method: 'POST', rejectUnauthorized: false };
  return sendRequest((onAnswer) => https({ ...options, headers }, onAnswer), body);
};

const bounds = { host: '127.0.0.1', agent: false, timeout: 10_000 } as const;

function sendRequest(
  open: (onAnswer: (answer: IncomingMessage) => void) => ClientRequest,
  content?: string,
): Promise<HttpAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<HttpAnswer>();
  const request = open((answer) => {
    const chunks: Buffer[] = [];
    answer.on('data', (chunk: Buffer) => chunks.push(chunk));
    answer.on('error', reject);
    answer.on('end', () =>
      resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(chunks).toString() }),
    );
  });
  request.on('timeout', () => request.destroy(new Error('no answer within 10 s')));
  request.on('error', reject);
  request.end(content);
  return promise;
}

/** CPU seconds of a process, all threads; undefined if /proc does not report them. */
export function readCpuSeconds(pid: number): number | undefined {
  const file = `/proc/${pid}/stat`;
  if (!existsSync(file)) return undefined;
  const stat = readFileSync(file, 'utf8');
  // The name, in parentheses, may hold spaces: fields are counted behind it. USER_HZ is always 100.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** The most memory that a process ever had resident, megabytes (10⁶); undefined where /proc does not say. */
export function readPeakMegabytes(pid: number): number | undefined {
  const file = `/proc/${pid}/status`;
  if (!existsSync(file)) return undefined;
  const kibibytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(file, 'utf8'))?.[1];
  return kibibytes === undefined ? undefined : (Number(kibibytes) * 1024) / 1e6;
}

/** Megabytes (10⁶) that only this process maps; undefined where /proc does not say. */
export function readPrivateMegabytes(pid: number): number | undefined {
  const file = `/proc/${pid}/smaps_rollup`;
  if (!existsSync(file)) return undefined;
  const amounts = readFileSync(file, 'utf8').matchAll(/^Private_(?:Clean|Dirty):\s+(\d+) kB$/gm);
  const kibibytes = [...amounts].reduce((sum, [, amount]) => sum + Number(amount), 0);
  return (kibibytes * 1024) / 1e6;
}

/** Milliseconds since the epoch, with fractions: times of several processes of this machine can be compared. */
export const getEpochMs = (): number => performance.timeOrigin + performance.now();
