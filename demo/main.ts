import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCleanupStack } from './cleanup-stack.ts';
import { renderNextSteps } from './next-steps.ts';
import { renderLine, type ResultLine } from './result-line.ts';
import { parseOptions, USAGE, type DemoOptions } from './demo-options.ts';
import { ensureBuilt } from './demo-programs.ts';
import { runDemo, type DemoState } from './demo.ts';

/** Some systems limit paths of Unix sockets to 104 characters, so long temporary folders do not work. */
const MAX_TMPDIR_LENGTH = 30;

const createFolder = (): string =>
  mkdtempSync(join(tmpdir().length > MAX_TMPDIR_LENGTH ? '/tmp' : tmpdir(), 'valetkey-demo-'));

const waitUntilStopped = (): Promise<void> =>
  new Promise(() => setInterval(() => undefined, 60_000));

const runProgram = async ({ json, keep }: DemoOptions): Promise<number> => {
  const closing = createCleanupStack();
  stopOnSignals(closing.close);
  const startedAt = performance.now();
  const lines: ResultLine[] = [];
  const show = (line: ResultLine): void => {
    lines.push(line);
    if (!json) console.log(renderLine(line));
  };
  try {
    ensureBuilt();
    const folder = createFolder();
    closing.defer(() => {
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
  } catch (error) {
    // A program that the demo itself is stopping has not failed.
    if (!closing.isClosed()) throw error;
    return 1;
  } finally {
    await closing.close();
  }
};

const renderSummary = (lines: readonly ResultLine[], milliseconds: number): string => {
  const differing = lines.filter(({ met }) => !met).length;
  const summary = differing === 0 ? 'all as expected' : `${differing} differ`;
  return `${lines.length} lines, ${summary}, in ${(milliseconds / 1000).toFixed(1)} s`;
};

const renderTimeline = ({ timeline }: DemoState): string =>
  [
    '\n\nThe timeline of one run, from the records, the journal of calls and the log of the cloud:',
    ...timeline,
  ].join('\n  ');

const stopOnSignals = (close: () => Promise<void>): void => {
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    process.once(signal, () => {
      void close().then(() => process.exit(code));
    });
  }
};

try {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) console.log(USAGE);
  else process.exitCode = await runProgram(options);
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
