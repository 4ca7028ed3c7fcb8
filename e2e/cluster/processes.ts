import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  openSync,
  closeSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { readLastLines } from '../../test/kit/files.ts';
import { UnrecoverableError, waitFor } from '../../test/kit/retry.ts';
import type { WaitOptions } from '../../test/kit/retry.ts';
import { buildChildEnvironment } from './host-environment.ts';
import { buildEnterCommand } from './network-namespace.ts';

/** A running program. `startTicks` distinguishes it from a later process with the same id. */
export type Program = { name: string; processId: number; startTicks: string; log: string };

const endingPrograms = 'ending';

export type ProgramPlan = {
  folder: string;
  namespace: string;
  name: string;
  command: string;
  args: string[];
  env?: Record<string, string>;
  cwd?: string;
};

/** Starts a program in the cluster's network namespace; it runs until its recorded process is stopped. */
export function startProgram(plan: ProgramPlan): Program {
  if (existsSync(join(plan.folder, endingPrograms)))
    throw new Error(`${plan.name}: not started, ${plan.folder} is being removed`);
  const log = join(plan.folder, 'logs', `${plan.name}.log`);
  mkdirSync(join(plan.folder, 'logs'), { recursive: true });
  mkdirSync(join(plan.folder, 'processes'), { recursive: true });
  const logHandle = openSync(log, 'a');
  const child = spawn(...buildEnterCommand(plan.namespace, plan.command, plan.args), {
    detached: true,
    stdio: ['ignore', logHandle, logHandle],
    env: buildChildEnvironment(plan.env),
    cwd: plan.cwd,
  });
  closeSync(logHandle);
  if (child.pid === undefined)
    throw new Error(`${plan.name}: ${plan.command} could not be started`);
  child.unref();
  const program = {
    name: plan.name,
    processId: child.pid,
    startTicks: readStartTicks(child.pid) ?? '',
    log,
  };
  writeFileSync(join(plan.folder, 'processes', `${plan.name}.json`), JSON.stringify(program));
  return program;
}

/** Prevents any process from starting further programs for this folder. */
export function forbidPrograms(folder: string): void {
  writeFileSync(join(folder, endingPrograms), '');
}

/** Lists the programs that any process recorded in a cluster's folder. */
export function listRecordedPrograms(folder: string): Program[] {
  const records = join(folder, 'processes');
  mkdirSync(records, { recursive: true });
  return readdirSync(records).map(
    (file) => JSON.parse(readFileSync(join(records, file), 'utf8')) as Program,
  );
}

export function isRunning(program: Program): boolean {
  return readStartTicks(program.processId) === program.startTicks;
}

/** Stops a program with SIGTERM, and with SIGKILL after `graceMs`; 0 kills it immediately. */
export async function stopProgram(
  folder: string,
  program: Program,
  graceMs = 5_000,
): Promise<void> {
  if (graceMs > 0) await sendSignal(program, 'SIGTERM', graceMs).catch(() => undefined);
  await sendSignal(program, 'SIGKILL', 10_000);
  rmSync(join(folder, 'processes', `${program.name}.json`), { force: true });
}

/** Stops a program and starts it with the same arguments; the caller waits for its readiness. */
export async function restartProgram(
  where: Pick<ProgramPlan, 'folder' | 'namespace'>,
  name: string,
): Promise<Program> {
  const start = await suspendProgram(where, name);
  return start();
}

/** Stops a program, and returns what starts it again with the same arguments. */
export async function suspendProgram(
  { folder, namespace }: Pick<ProgramPlan, 'folder' | 'namespace'>,
  name: string,
): Promise<() => Program> {
  const program = listRecordedPrograms(folder).find((recorded) => recorded.name === name);
  if (program === undefined) throw new Error(`${name}: expected a recorded program, found none`);
  const line = readFileSync(`/proc/${program.processId}/cmdline`, 'utf8').split('\0');
  const [command = '', ...args] = line.slice(0, -1);
  await stopProgram(folder, program, 15_000);
  return () => startProgram({ folder, namespace, name, command, args });
}

async function sendSignal(
  program: Program,
  name: NodeJS.Signals,
  timeoutMs: number,
): Promise<void> {
  if (!isRunning(program)) return;
  process.kill(program.processId, name);
  await waitFor(`${program.name} to end`, () => !isRunning(program), { timeoutMs, intervalMs: 20 });
}

/** Waits until a program is ready; if it ends or is late, the error contains its last log lines. */
export async function waitForProgram(
  program: Program,
  probe: () => unknown,
  options: WaitOptions = {},
): Promise<void> {
  try {
    await waitFor(
      `${program.name} to be ready`,
      async () => {
        if (!isRunning(program)) throw new UnrecoverableError(`${program.name} ended`);
        return Boolean(await probe());
      },
      { intervalMs: 100, ...options },
    );
  } catch (error) {
    throw addLog(error, program.log);
  }
}

/** Wraps an error, and adds the name of a log file and its last lines. */
export function addLog(error: unknown, log: string, lines = 15): Error {
  const message = error instanceof Error ? error.message : String(error);
  return new Error(`${message}\n--- last lines of ${log} ---\n${readLastLines(log, lines)}`, {
    cause: error,
  });
}

/** Reads the start time of a process in kernel ticks; undefined if there is none or it is a zombie. */
function readStartTicks(processId: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${processId}/stat`, 'utf8');
    // The name in parentheses may contain spaces, so fields are counted after it (state is the third).
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}
