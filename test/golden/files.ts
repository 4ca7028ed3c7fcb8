import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatGolden, toJson } from './format.ts';

const buildPath = (name: string): string => join(import.meta.dirname, 'expected', `${name}.json`);

/** @throws Error where there is no such golden file yet */
export const readGolden = (name: string): unknown =>
  JSON.parse(readFileSync(buildPath(name), 'utf8')) as unknown;

export const writeGolden = (name: string, value: unknown): void => {
  writeFileSync(buildPath(name), `${formatGolden(toJson(value))}\n`);
};
