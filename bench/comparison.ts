import { computeMedian, round } from '../test/kit/statistics.ts';

/** What a comparison reads of a row of the printed table. */
export type PrintedRow = {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** Value ÷ baseline; undefined where there is nothing to compare with. */
  readonly ratio: number | undefined;
};

/** The rows of each run of one checkout. */
export type Runs = readonly (readonly PrintedRow[])[];

export type ComparisonResult = 'better' | 'worse' | 'no difference' | 'only old' | 'only new';

/** Values of one number in all runs of one checkout. */
export type Sample = { readonly median: number; readonly least: number; readonly most: number };

/** One number of a row: its value, or its ratio to the bare Go program of the same run. */
export type ComparedNumber = {
  readonly name: string;
  /** `ratio` for ratios. */
  readonly unit: string;
  /** Undefined: this checkout has no such row. */
  readonly old: Sample | undefined;
  readonly new: Sample | undefined;
  /** Of the medians: new ÷ old − 1. */
  readonly change: number | undefined;
  readonly result: ComparisonResult;
};

/** Medians that differ by less are equal. */
const LEAST_CHANGE = 0.05;
const NONE = '–';

/**
 * Parses the table that `bench/main.ts` prints: cells are separated by two spaces or more. It is what
 * every version of the program has, with and without `--only`.
 */
export const parseTable = (text: string): readonly PrintedRow[] => {
  const [head = '', ...lines] = text.split('\n');
  if (!/ours +bare Go +ratio/.test(head)) throw new Error('expected the table of bench/main.ts');
  return lines.flatMap((line) => parseLine(line) ?? []);
};

/** @returns undefined for notes below the table */
const parseLine = (line: string): PrintedRow | undefined => {
  const [name = '', ours = '', baseline, ratio] = line.split(/ {2,}/);
  const [, value, unit = ''] = /^(-?[\d.]+(?:e[+-]?\d+)?) (.+)$/.exec(ours) ?? [];
  if (value === undefined || baseline === undefined) return undefined;
  const isCompared = ratio !== undefined && ratio !== NONE;
  return { name, value: Number(value), unit, ratio: isCompared ? Number(ratio) : undefined };
};

/** Rates are better if they are higher; times, amounts of memory and numbers of calls if they are lower. */
const isHigherBetter = (unit: string): boolean => /per (?:core-)?second/.test(unit);

const summarize = (values: readonly number[]): Sample | undefined =>
  values.length === 0
    ? undefined
    : {
        median: computeMedian(values),
        least: Math.min(...values),
        most: Math.max(...values),
      };

const overlaps = (one: Sample, other: Sample): boolean =>
  one.least <= other.most && other.least <= one.most;

/** @returns undefined for an old median of 0, which nothing is a multiple of */
const computeChange = (before: Sample, after: Sample): number | undefined => {
  if (before.median === after.median) return 0;
  return before.median === 0 ? undefined : after.median / before.median - 1;
};

const decide = (
  { before, after }: { before: Sample; after: Sample },
  { change, unit }: { change: number | undefined; unit: string },
): ComparisonResult => {
  const isSmall = change !== undefined && Math.abs(change) <= LEAST_CHANGE;
  if (isSmall || overlaps(before, after)) return 'no difference';
  return after.median > before.median === isHigherBetter(unit) ? 'better' : 'worse';
};

const compareNumber = (
  { name, unit, rowUnit }: { name: string; unit: string; rowUnit: string },
  before: Sample | undefined,
  after: Sample | undefined,
): ComparedNumber => {
  const base = { name, unit, old: before, new: after };
  if (before === undefined || after === undefined) {
    return { ...base, change: undefined, result: before === undefined ? 'only new' : 'only old' };
  }
  const change = computeChange(before, after);
  const result = decide({ before, after }, { change, unit: rowUnit });
  return { ...base, change, result };
};

const listRows = (runs: Runs, name: string): readonly PrintedRow[] =>
  runs.flatMap((rows) => rows.filter((row) => row.name === name));

const compareRow = (
  name: string,
  before: readonly PrintedRow[],
  after: readonly PrintedRow[],
): readonly ComparedNumber[] => {
  const rowUnit = (after[0] ?? before[0])?.unit ?? '';
  const read = (rows: readonly PrintedRow[]) => summarize(rows.map(({ value }) => value));
  const readRatios = (rows: readonly PrintedRow[]) =>
    summarize(rows.flatMap(({ ratio }) => ratio ?? []));
  const values = compareNumber({ name, unit: rowUnit, rowUnit }, read(before), read(after));
  const ratios = [readRatios(before), readRatios(after)] as const;
  return ratios.every((sample) => sample === undefined)
    ? [values]
    : [values, compareNumber({ name, unit: 'ratio', rowUnit }, ...ratios)];
};

/**
 * Compares the runs of two checkouts. A number is better or worse if the medians differ by more than 5 %
 * and the ranges of all runs do not overlap.
 *
 * @param renamed new names by old names, for rows whose name changed
 */
export const compareRuns = (
  { old, new: after }: { old: Runs; new: Runs },
  renamed: Readonly<Record<string, string>> = {},
): readonly ComparedNumber[] => {
  const before = old.map((rows) =>
    rows.map((row) => ({ ...row, name: renamed[row.name] ?? row.name })),
  );
  const names = new Set([...after, ...before].flatMap((rows) => rows.map(({ name }) => name)));
  return [...names].flatMap((name) =>
    compareRow(name, listRows(before, name), listRows(after, name)),
  );
};

const formatSample = (sample: Sample | undefined): string =>
  sample === undefined
    ? NONE
    : `${round(sample.median)} [${round(sample.least)} … ${round(sample.most)}]`;

const formatChange = (change: number | undefined): string => {
  if (change === undefined) return NONE;
  const percent = (100 * change).toFixed(1);
  return `${change > 0 ? '+' : ''}${percent} %`;
};

/** The cells of the table for people, head first. */
export const listCells = (numbers: readonly ComparedNumber[]): readonly (readonly string[])[] => [
  ['', 'of', 'old: median [range]', 'new: median [range]', 'change', 'result'],
  ...numbers.map(({ name, unit, old, new: after, change, result }) => [
    name,
    unit,
    formatSample(old),
    formatSample(after),
    formatChange(change),
    result,
  ]),
];
