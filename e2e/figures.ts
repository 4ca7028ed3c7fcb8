import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What a story measured, for people: `0.31 s`. */
export type Figure = { pass: string; name: string; value: string };

const fileIn = (folder: string): string => join(folder, 'figures.jsonl');

/** Notes a figure; the runner prints all of them at the end. */
export const noteFigure = (folder: string, figure: Figure): void => {
  appendFileSync(fileIn(folder), `${JSON.stringify(figure)}\n`);
};

/** All that were noted in a folder: of a figure that was measured again, the last. */
export const readFigures = (folder: string): Figure[] => {
  if (!existsSync(fileIn(folder))) return [];
  const lines = readFileSync(fileIn(folder), 'utf8').trim().split('\n');
  const figures = lines.map((line) => JSON.parse(line) as Figure);
  return [...new Map(figures.map((figure) => [`${figure.pass}: ${figure.name}`, figure])).values()];
};
