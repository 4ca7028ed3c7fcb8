import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import type { Row } from './rows.ts';

export type MachineDescription = {
  readonly cpu: string;
  readonly cores: number;
  readonly node: string;
  /** Load averages of one minute before and after the run. */
  readonly load: { readonly before: number; readonly after: number };
};

/** What docs/performance.md publishes: the rows of one whole run, and under what load it was made. */
export type PublishedResults = MachineDescription & { readonly rows: readonly Row[] };

/** Committed, unlike bench/out. */
const RESULTS_FILE = join(import.meta.dirname, 'results.json');

/** This machine. */
export const describeMachine = (load: MachineDescription['load']): MachineDescription => ({
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: cpus().length,
  node: process.versions.node,
  load,
});

export const publishResults = (rows: readonly Row[], load: MachineDescription['load']): void => {
  const results: PublishedResults = { ...describeMachine(load), rows };
  writeFileSync(RESULTS_FILE, `${JSON.stringify(results, undefined, 2)}\n`);
};

export const readResults = (): PublishedResults =>
  JSON.parse(readFileSync(RESULTS_FILE, 'utf8')) as PublishedResults;
