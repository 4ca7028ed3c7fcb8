import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What a story measured, for people: `0.31 s`. */
export type Measurement = { entry: string; name: string; value: string };

const getMeasurementFile = (folder: string): string => join(folder, 'measurements.jsonl');

/** Notes a figure; the runner prints all of them at the end. */
export const recordMeasurement = (folder: string, figure: Measurement): void => {
  appendFileSync(getMeasurementFile(folder), `${JSON.stringify(figure)}\n`);
};

/** All that were noted in a folder: of a figure that was measured again, the last. */
export const readMeasurements = (folder: string): Measurement[] => {
  if (!existsSync(getMeasurementFile(folder))) return [];
  const lines = readFileSync(getMeasurementFile(folder), 'utf8').trim().split('\n');
  const figures = lines.map((line) => JSON.parse(line) as Measurement);
  return [...new Map(figures.map((figure) => [`${figure.entry}: ${figure.name}`, figure])).values()];
};
