/**
 * Measures our programs against a bare Go net/http program in the same run and writes
 * `bench/out/latest.json`: `--help` prints the options.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { measureAdmission } from './admission-throughput.ts';
import { parseOptions, renderUsage, type BenchOptions } from './bench-options.ts';
import { buildBaseline, buildPrograms, fillCompileCache } from './bench.ts';
import type { Bench } from './bench.ts';
import { measureGatedCalls } from './gated-calls.ts';
import { measureGateway } from './gateway-throughput.ts';
import { measureMemory, measureMemoryUnderAuthority, measureStart } from './footprint.ts';
import { measureCredentialServing, measureSingleExchange } from './credential-serving.ts';
import { measureHttpCalls } from './http-calls.ts';
import { measureLoadedMemory } from './loaded-memory.ts';
import { measureMcpCalls } from './mcp-calls.ts';
import { measureRunIssuance } from './run-issuance.ts';
import { measureFleet } from './fleet.ts';
import { listFleetFigures, publishFleetResults } from './fleet-results.ts';
import { measurePodRestart } from './pod-restart.ts';
import {
  listPodRestartFigures,
  listVirtualFigures,
  publishPodRestart,
} from './pod-restart-results.ts';
import { measureRedecision } from './redecision.ts';
import { describeMachine, publishResults } from './results.ts';
import { renderTable } from './rows.ts';
import type { Row } from './rows.ts';
import { measureStreams } from './event-streams.ts';

const measurements = {
  admission: measureAdmission,
  'held credentials': measureCredentialServing,
  gateway: measureGateway,
  http: measureHttpCalls,
  mcp: measureMcpCalls,
  start: measureStart,
  memory: measureMemory,
  'single exchange': measureSingleExchange,
  'memory under the authority': measureMemoryUnderAuthority,
  'memory after load': measureLoadedMemory,
  issuing: measureRunIssuance,
  'gated calls': measureGatedCalls,
  streams: measureStreams,
  'policy edit': measureRedecision,
};

const startedAt = performance.now();
const printProgress = (message: string): void => {
  console.error(`[${((performance.now() - startedAt) / 1000).toFixed(1)} s] ${message}`);
};

const runProgram = async (options: BenchOptions): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), 'valetkey-bench-'));
  try {
    const before = readLoad();
    if (options.fleet !== undefined) {
      await runFleet(folder, options.fleet, options);
      return;
    }
    if (options.pods !== undefined) {
      await runPods(folder, options.pods, options);
      return;
    }
    const rows = await runMeasurements(folder, options);
    // A part is shown, and leaves what was last measured whole.
    if (options.only === '') writeRows(rows);
    if (options.publish) publishResults(rows, { before, after: readLoad() });
    console.log(renderTable(rows));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

const runFleet = async (folder: string, streams: number, options: BenchOptions): Promise<void> => {
  const before = readLoad();
  const measured = await measureFleet(await prepareBench(folder, options), streams);
  const results = { ...describeMachine({ before, after: readLoad() }), ...measured };
  if (options.publish) publishFleetResults(results);
  for (const [name, value, unit] of listFleetFigures(results)) {
    console.log(`${name.padEnd(66)}${value} ${unit}`);
  }
};

const runPods = async (folder: string, pods: number, options: BenchOptions): Promise<void> => {
  const before = readLoad();
  const { podsPerSecond } = options;
  const bench = await prepareBench(folder, options);
  const measured = await measurePodRestart(bench, { pods, podsPerSecond });
  const results = { ...describeMachine({ before, after: readLoad() }), ...measured };
  if (options.publish) publishPodRestart(results);
  const limits = results.restarts.map(({ stsLimit }) => `STS at ${stsLimit}/s`);
  console.log(`${''.padEnd(66)}${limits.join(', ')}`);
  for (const { name, values, unit } of listPodRestartFigures(results)) {
    console.log(`${name.padEnd(66)}${values.join(', ')} ${unit}`);
  }
  for (const [name, value, unit] of listVirtualFigures(results.virtual)) {
    console.log(`virtual time: ${name}`.padEnd(66) + `${value} ${unit}`);
  }
};

const readLoad = (): number => Number((loadavg()[0] ?? 0).toFixed(1));

const usage = renderUsage(Object.keys(measurements));
const readOptions = (): BenchOptions | undefined => {
  try {
    return parseOptions(process.argv.slice(2), Object.keys(measurements));
  } catch (thrown) {
    console.error(`${(thrown as Error).message}\n\n${usage}`);
    return undefined;
  }
};

const options = readOptions();
if (options === undefined) process.exitCode = 2;
else if (options.help) console.log(usage);
else await runProgram(options);

function writeRows(rows: Row[]): void {
  const out = join(import.meta.dirname, 'out');
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, 'latest.json'), `${JSON.stringify(rows, undefined, 2)}\n`);
}

async function prepareBench(temporary: string, wanted: BenchOptions): Promise<Bench> {
  const baseline = await buildBaseline(temporary);
  if (baseline === undefined) printProgress('no Go: ratios are left empty');
  const programs = wanted.programs ?? (await buildPrograms());
  const bench: Bench = {
    folder: temporary,
    programs,
    baseline,
    repeats: wanted.quick ? 1 : 5,
    seconds: wanted.quick ? 1 : 3,
    progress: printProgress,
  };
  await fillCompileCache(bench);
  return bench;
}

async function runMeasurements(temporary: string, wanted: BenchOptions): Promise<Row[]> {
  const bench = await prepareBench(temporary, wanted);
  const rows: Row[] = [];
  for (const [name, measure] of Object.entries(measurements)) {
    if (!name.includes(wanted.only)) continue;
    printProgress(`measuring ${name}`);
    rows.push(...(await measure(bench)));
  }
  return rows;
}
