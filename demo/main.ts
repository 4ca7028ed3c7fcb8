import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CleanupStack } from './cleanup-stack.ts';
import { renderNextSteps } from './next-steps.ts';
import { renderLine, type ResultLine } from './result-line.ts';
import { parseOptions, USAGE, type DemoOptions } from './demo-options.ts';
import { ensureBuilt } from './demo-programs.ts';
import { runDemo, type DemoState } from './demo.ts';
import { runInterruptibly } from './interruption.ts';

/** Some systems limit paths of Unix sockets to 104 characters, so long temporary folders do not work. */
const MAX_TMPDIR_LENGTH = 20;

const createFolder = (): string =>
  mkdtempSync(join(tmpdir().length > MAX_TMPDIR_LENGTH ? '/tmp' : tmpdir(), 'valetkey-demo-'));

const waitUntilStopped = (): Promise<void> =>
  new Promise(() => setInterval(() => undefined, 60_000));

const runProgram = async ({ json, keep }: DemoOptions, closing: CleanupStack): Promise<number> => {
  const startedAt = performance.now();
  const lines: ResultLine[] = [];
  const show = (line: ResultLine): void => {
    lines.push(line);
    if (!json) console.log(renderLine(line));
  };
  ensureBuilt();
  const folder = createFolder();
  // The last step of all, because what is being stopped may write into it.
  process.once('exit', () => {
    rmSync(folder, { recursive: true, force: true });
  });
  const result = await runDemo(folder, closing, show);
  const milliseconds = Math.round(performance.now() - startedAt);
  const passed = lines.every(({ met }) => met);
  if (json) console.log(JSON.stringify({ passed, milliseconds, lines }, null, 2));
  else console.log(renderSummary(lines, milliseconds), renderTimeline(result));
  if (keep) {
    console.log(renderNextSteps(result));
    await waitUntilStopped();
  }
  return passed ? 0 : 1;
};

const renderSummary = (lines: readonly ResultLine[], milliseconds: number): string => {
  const differing = lines.filter(({ met }) => !met).length;
  const summary = differing === 0 ? 'all as expected' : `${differing} differ`;
  return `${lines.length} lines, ${summary}, in ${(milliseconds / 1000).toFixed(1)} s`;
};

const renderTimeline = ({ records: { timeline } }: DemoState): string =>
  [
    '\n\nThe timeline of one run, from the records, the journals of calls and the log of the cloud, as',
    '`kubectl valetkey audit timeline RUN --records … --calls … --cloud-log …` prints it (`make demo ARGS=--keep` keeps the files):',
    ...timeline,
  ].join('\n  ');

const printError = (error: unknown): void =>
  console.error(error instanceof Error ? error.message : String(error));

const runMain = async (): Promise<number> => {
  const options = parseOptions(process.argv.slice(2));
  if (!options.help) {
    const run = (closing: CleanupStack) => runProgram(options, closing);
    return runInterruptibly(run, { process, report: printError });
  }
  console.log(USAGE);
  return 0;
};

process.exit(
  await runMain().catch((error: unknown) => {
    printError(error);
    return 1;
  }),
);
