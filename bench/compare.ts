/**
 * Compares the benchmarks of two checkouts, for instance of a commit and of its parent: `--help` prints
 * how. Both run in turn, so that what changes on the machine changes for both.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { compareRuns, listCells, parseTable, type PrintedRow } from './comparison.ts';
import { renderMarkdownTable } from '../tools/docs/markdown-table.ts';

const USAGE = `node bench/compare.ts OLD NEW [--runs 7] [--only WORDS]... [--quick] [--renamed FILE]

Run the benchmarks of two checkouts in turn and compare them. Each checkout has its own node_modules.
A number is better or worse if the medians of all runs differ by more than 5 % and their ranges do not
overlap.
Prints a table, and writes bench/out/compare.json after each pair of runs.

  --runs N        of each checkout (7)
  --only WORDS    only the measurements whose name contains WORDS; several --only: each of them
  --quick         measure once in each run, for a second
  --renamed FILE  JSON object of the new name by the old name of rows that were renamed
  --help          print this help

Exit status 0: compared, whatever the result; 2: wrong options.`;

type CompareOptions = {
  readonly folders: readonly [old: string, after: string];
  readonly runs: number;
  readonly only: readonly string[];
  readonly isQuick: boolean;
  readonly renamed: Readonly<Record<string, string>>;
};

type Programs = 'built' | 'not built';

/** @returns undefined if help is wanted */
const parseOptions = (args: readonly string[]): CompareOptions | undefined => {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: {
      runs: { type: 'string', default: '7' },
      only: { type: 'string', multiple: true, default: [''] },
      quick: { type: 'boolean', default: false },
      renamed: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
    allowPositionals: true,
  });
  if (values.help) return undefined;
  const folders = positionals.map((folder) => resolve(folder));
  const [old, after] = folders;
  if (old === undefined || after === undefined || folders.length > 2) {
    throw new Error(`expected two checkouts, found ${folders.length}`);
  }
  const missing = folders.filter((folder) => !existsSync(join(folder, 'bench', 'main.ts')));
  if (missing.length > 0) throw new Error(`expected bench/main.ts in ${missing.join(', ')}`);
  const runs = Number(values.runs);
  if (!Number.isInteger(runs) || runs < 1) {
    throw new Error(`--runs: expected a number of at least 1, found ${values.runs}`);
  }
  const renamed = values.renamed === undefined ? '{}' : readFileSync(values.renamed, 'utf8');
  return {
    folders: [old, after],
    runs,
    only: values.only,
    isQuick: values.quick,
    renamed: JSON.parse(renamed) as Record<string, string>,
  };
};

/** The Node that the checkout pins, or else the one that runs this. */
const getNode = (folder: string): string => {
  const pinned = join(folder, 'node_modules', '.bin', 'node');
  return existsSync(pinned) ? pinned : process.execPath;
};

/** One run of a checkout's benchmark. It builds its programs at the first run. */
const runBenchmark = async (
  folder: string,
  { only, isQuick }: CompareOptions,
  programs: Programs,
): Promise<readonly PrintedRow[]> => {
  const rows: PrintedRow[] = [];
  let built = programs;
  for (const words of only) {
    const args = [
      join(folder, 'bench', 'main.ts'),
      ...(words === '' ? [] : ['--only', words]),
      ...(isQuick ? ['--quick'] : []),
      ...(built === 'built' ? ['--programs', join(folder, 'dist')] : []),
    ];
    const { stdout } = await promisify(execFile)(getNode(folder), args, { cwd: folder });
    rows.push(...parseTable(stdout));
    built = 'built';
  }
  return rows;
};

const publish = (content: object): void => {
  const out = join(import.meta.dirname, 'out');
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, 'compare.json'), `${JSON.stringify(content, undefined, 2)}\n`);
};

const compare = async (options: CompareOptions): Promise<void> => {
  const [oldFolder, newFolder] = options.folders;
  const runs: { old: (readonly PrintedRow[])[]; new: (readonly PrintedRow[])[] } = {
    old: [],
    new: [],
  };
  for (let run = 0; run < options.runs; run += 1) {
    console.error(`run ${run + 1} of ${options.runs}`);
    const programs = run === 0 ? 'not built' : 'built';
    runs.old.push(await runBenchmark(oldFolder, options, programs));
    runs.new.push(await runBenchmark(newFolder, options, programs));
    // After each pair: what was measured is not lost if a later run fails or is stopped.
    publish({ folders: options.folders, numbers: compareRuns(runs, options.renamed), runs });
  }
  const [head = [], ...rows] = listCells(compareRuns(runs, options.renamed));
  console.log(renderMarkdownTable(head, rows));
};

const readOptions = (): CompareOptions | 'help' | 'wrong' => {
  try {
    return parseOptions(process.argv.slice(2)) ?? 'help';
  } catch (thrown) {
    console.error(`${(thrown as Error).message}\n\n${USAGE}`);
    return 'wrong';
  }
};

const options = readOptions();
if (options === 'help') console.log(USAGE);
else if (options === 'wrong') process.exitCode = 2;
else await compare(options);
