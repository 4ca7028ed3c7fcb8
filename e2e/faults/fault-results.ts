import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { describeMachine, type MachineDescription } from '../../bench/results.ts';
import type { JournalFigures } from './call-journal.ts';
import type { LoadFigures } from './credential-load.ts';
import type { FaultId } from './fault-cases.ts';

export type FaultFigure = { readonly name: string; readonly value: number; readonly unit: string };

/** What became of calls that the gateway signs, and what is recorded of them. */
export type CallFigures = LoadFigures & JournalFigures;

/** What one run of a fault measured. */
export type FaultMeasurement = {
  /** What consumers saw that repeat their requests for credentials; absent where none does. */
  readonly load?: LoadFigures;
  /** What consumers saw that repeat their calls through the gateway; absent where none makes any. */
  readonly calls?: CallFigures;
  /** From the end of the fault until a user gets what the fault took away; 0: nothing was; absent: not measured. */
  readonly recoverySeconds?: number;
  readonly figures: readonly FaultFigure[];
};

/** A measurement, when and where it was made. */
export type FaultResult = FaultMeasurement & {
  /** Day, `2026-11-29`. */
  readonly measuredOn: string;
  readonly machine: MachineDescription;
};

export type FaultResults = Readonly<Partial<Record<FaultId, FaultResult>>>;

/** Committed: docs/reliability.md is written from it. */
export const RESULTS_FILE = join(import.meta.dirname, 'results.json');

export const readFaultResults = (file = RESULTS_FILE): FaultResults =>
  existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as FaultResults) : {};

/** Load average of the last minute. */
export const readLoadAverage = (): number => Number((loadavg()[0] ?? 0).toFixed(1));

/** Puts a measurement in the place of the last one of its fault. */
export const publishFaultResult = (
  id: FaultId,
  measurement: FaultMeasurement,
  { loadBefore, file = RESULTS_FILE }: { loadBefore: number; file?: string },
): void => {
  const result: FaultResult = {
    ...measurement,
    measuredOn: new Date().toISOString().slice(0, 10),
    machine: describeMachine({ before: loadBefore, after: readLoadAverage() }),
  };
  const all = Object.entries({ ...readFaultResults(file), [id]: result });
  const sorted = Object.fromEntries(all.toSorted(([one], [other]) => one.localeCompare(other)));
  writeFileSync(file, `${JSON.stringify(sorted, undefined, 2)}\n`);
};
