/**
 * Measures our programs against a bare Go net/http program in the same run and writes
 * `bench/out/latest.json`: `node bench/main.ts [--quick] [--only WORDS] [--programs FOLDER]`.
 * Ends with 0 when everything could be measured, whether or not a goal is met.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { measureAdmission } from './admission.ts';
import { buildBaseline, buildPrograms, fillCompileCache } from './bench.ts';
import type { Bench } from './bench.ts';
import { measureMemory, measureMemoryUnderAuthority, measureStart } from './footprint.ts';
import { measureHeld, measureSingleExchange } from './held.ts';
import { measureIssuing } from './issuing.ts';
import { renderTable } from './rows.ts';
import type { Row } from './rows.ts';
import { measureStreams } from './streams.ts';

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    programs: { type: 'string' },
  },
});

const measurements = {
  admission: measureAdmission,
  'held credentials': measureHeld,
  start: measureStart,
  memory: measureMemory,
  'single exchange': measureSingleExchange,
  'memory under the authority': measureMemoryUnderAuthority,
  issuing: measureIssuing,
  streams: measureStreams,
};

const startedAt = performance.now();
const progress = (message: string): void => {
  console.error(`[${((performance.now() - startedAt) / 1000).toFixed(1)} s] ${message}`);
};

const folder = mkdtempSync(join(tmpdir(), 'valetkey-bench-'));
try {
  const rows = await measureAll(folder);
  // A part is shown, and leaves what was last measured whole.
  if (values.only === '') publish(rows);
  console.log(renderTable(rows));
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function publish(rows: Row[]): void {
  const out = join(import.meta.dirname, 'out');
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, 'latest.json'), `${JSON.stringify(rows, undefined, 2)}\n`);
}

async function measureAll(temporary: string): Promise<Row[]> {
  const baseline = await buildBaseline(temporary);
  if (baseline === undefined) progress('no Go: ratios are left empty');
  const programs = values.programs ?? (await buildPrograms());
  const bench: Bench = {
    folder: temporary,
    programs,
    baseline,
    repeats: values.quick ? 1 : 5,
    seconds: values.quick ? 1 : 3,
    progress,
  };
  await fillCompileCache(bench);
  const rows: Row[] = [];
  for (const [name, measure] of Object.entries(measurements)) {
    if (!name.includes(values.only)) continue;
    progress(`measuring ${name}`);
    rows.push(...(await measure(bench)));
  }
  return rows;
}
