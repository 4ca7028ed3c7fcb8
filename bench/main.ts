/**
 * Measures our programs against a bare Go net/http program in the same run and writes
 * `bench/out/latest.json`: `node bench/main.ts [--quick] [--only WORDS] [--programs FOLDER]`.
 * Ends with 0 when everything could be measured, whether or not a goal is met.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { measureAdmission } from './admission-throughput.ts';
import { buildBaseline, buildPrograms, fillCompileCache } from './bench.ts';
import type { Bench } from './bench.ts';
import { measureGateway } from './gateway-throughput.ts';
import { measureMemory, measureMemoryUnderAuthority, measureStart } from './footprint.ts';
import { measureCredentialServing, measureSingleExchange } from './credential-serving.ts';
import { measureRunIssuance } from './run-issuance.ts';
import { renderTable } from './rows.ts';
import type { Row } from './rows.ts';
import { measureStreams } from './event-streams.ts';

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    programs: { type: 'string' },
  },
});

const measurements = {
  admission: measureAdmission,
  'held credentials': measureCredentialServing,
  gateway: measureGateway,
  start: measureStart,
  memory: measureMemory,
  'single exchange': measureSingleExchange,
  'memory under the authority': measureMemoryUnderAuthority,
  issuing: measureRunIssuance,
  streams: measureStreams,
};

const startedAt = performance.now();
const printProgress = (message: string): void => {
  console.error(`[${((performance.now() - startedAt) / 1000).toFixed(1)} s] ${message}`);
};

const folder = mkdtempSync(join(tmpdir(), 'valetkey-bench-'));
try {
  const rows = await runMeasurements(folder);
  // A part is shown, and leaves what was last measured whole.
  if (values.only === '') publishRows(rows);
  console.log(renderTable(rows));
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function publishRows(rows: Row[]): void {
  const out = join(import.meta.dirname, 'out');
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, 'latest.json'), `${JSON.stringify(rows, undefined, 2)}\n`);
}

async function runMeasurements(temporary: string): Promise<Row[]> {
  const baseline = await buildBaseline(temporary);
  if (baseline === undefined) printProgress('no Go: ratios are left empty');
  const programs = values.programs ?? (await buildPrograms());
  const bench: Bench = {
    folder: temporary,
    programs,
    baseline,
    repeats: values.quick ? 1 : 5,
    seconds: values.quick ? 1 : 3,
    progress: printProgress,
  };
  await fillCompileCache(bench);
  const rows: Row[] = [];
  for (const [name, measure] of Object.entries(measurements)) {
    if (!name.includes(values.only)) continue;
    printProgress(`measuring ${name}`);
    rows.push(...(await measure(bench)));
  }
  return rows;
}
