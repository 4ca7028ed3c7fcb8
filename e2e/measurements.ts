import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A value that a test measured, formatted for people: `0.31 s`. */
export type Measurement = { entry: string; name: string; value: string };

const getMeasurementFile = (folder: string): string => join(folder, 'measurements.jsonl');

/** Records a measurement; the runner prints all of them at the end. */
export const recordMeasurement = (folder: string, measurement: Measurement): void => {
  appendFileSync(getMeasurementFile(folder), `${JSON.stringify(measurement)}\n`);
};

/** Reads the measurements of a folder; of one that was measured repeatedly, the last. */
export const readMeasurements = (folder: string): Measurement[] => {
  if (!existsSync(getMeasurementFile(folder))) return [];
  const lines = readFileSync(getMeasurementFile(folder), 'utf8').trim().split('\n');
  const all = lines.map((line) => JSON.parse(line) as Measurement);
  return [...new Map(all.map((each) => [`${each.entry}: ${each.name}`, each])).values()];
};
