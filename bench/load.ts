import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Bench } from './bench.ts';
import { readCpuSeconds, pinToCore } from './measured-processes.ts';

/** What a loader prints. */
export type LoadReport = {
  requests: number;
  failures: number;
  seconds: number;
  p50Ms: number;
  p99Ms: number;
};

export type Load = {
  /** `unix:PATH`, `tcp:127.0.0.1:PORT` or `tls:127.0.0.1:PORT`. */
  target: string;
  /** The request as it goes over the wire. */
  request: Buffer | string;
  connections: number;
  seconds: number;
  /** Requests per second; absent: as many as get answered. */
  rate?: number;
  /** Ten digits of the request that are others each time; absent: every request is alike. */
  vary?: string;
};

/** A server under load: its process and where it listens. */
export type Server = { pid: number; target: string };

/**
 * Loads a server from another core. `perCoreSecond` is requests ÷ the CPU seconds that the server used
 * on a CPU: it holds also where the load or a neighbour leaves the server waiting.
 */
export async function loadServer(
  bench: Bench,
  server: Server,
  load: Omit<Load, 'target'>,
): Promise<LoadReport & { perCoreSecond: number }> {
  const before = readCpuSeconds(server.pid);
  const report = await runLoader(bench, { ...load, target: server.target });
  const after = readCpuSeconds(server.pid);
  if (report.failures > 0) {
    throw new Error(
      `${server.target}: ${report.failures} of ${report.requests} answers were not 200`,
    );
  }
  const cpuSeconds = before === undefined || after === undefined ? report.seconds : after - before;
  return { ...report, perCoreSecond: report.requests / cpuSeconds };
}

async function runLoader(bench: Bench, load: Load): Promise<LoadReport> {
  const file = join(bench.folder, 'request');
  writeFileSync(file, load.request);
  const flags = {
    target: load.target,
    request: file,
    connections: load.connections,
    seconds: load.seconds,
    rate: load.rate ?? 0,
    vary: load.vary ?? '',
  };
  const given = Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
  const [command, args] = pinToCore(...getLoadCommand(bench, given), 'load');
  const timeout = (load.seconds + 20) * 1000;
  const { stdout } = await promisify(execFile)(command, args, { timeout });
  return JSON.parse(stdout) as LoadReport;
}

const getLoadCommand = ({ baseline }: Bench, flags: string[]): [string, string[]] =>
  baseline === undefined
    ? [process.execPath, [join(import.meta.dirname, 'load-generator.ts'), ...flags]]
    : [baseline, ['load', ...flags]];

/**
 * Runs both in turn (ours, theirs, ours, theirs, …), so that what changes on the machine changes for
 * both.
 */
export async function alternate<T>(
  repeats: number,
  ours: () => Promise<T>,
  theirs: (() => Promise<T>) | undefined,
): Promise<{ ours: T[]; theirs: T[] }> {
  const results: { ours: T[]; theirs: T[] } = { ours: [], theirs: [] };
  for (let repeat = 0; repeat < repeats; repeat += 1) {
    results.ours.push(await ours());
    if (theirs !== undefined) results.theirs.push(await theirs());
  }
  return results;
}
