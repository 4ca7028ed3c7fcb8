import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { keepClosing } from './closing.ts';
import { renderInvitation } from './invitation.ts';
import { renderLine, type Line } from './line.ts';
import { readOptions, USAGE, type Options } from './options.ts';
import { ensureBuilt } from './programs.ts';
import { playStory, type Scene } from './story.ts';

/** A unix socket's path has 104 characters at most on some systems: long temporary folders do not do. */
const SHORT_ENOUGH = 30;

const makeFolder = (): string =>
  mkdtempSync(join(tmpdir().length > SHORT_ENOUGH ? '/tmp' : tmpdir(), 'valetkey-demo-'));

const untilStopped = (): Promise<void> => new Promise(() => setInterval(() => undefined, 60_000));

const run = async ({ json, keep }: Options): Promise<number> => {
  const closing = keepClosing();
  stopOnSignals(closing.close);
  const startedAt = performance.now();
  const lines: Line[] = [];
  const show = (line: Line): void => {
    lines.push(line);
    if (!json) console.log(renderLine(line));
  };
  try {
    ensureBuilt();
    const folder = makeFolder();
    closing.defer(() => {
      rmSync(folder, { recursive: true, force: true });
    });
    const scene = await playStory(folder, closing, show);
    const milliseconds = Math.round(performance.now() - startedAt);
    const passed = lines.every(({ met }) => met);
    if (json) console.log(JSON.stringify({ passed, milliseconds, lines }, null, 2));
    else console.log(renderSummary(lines, milliseconds), renderStory(scene));
    if (keep) {
      console.log(renderInvitation(scene));
      await untilStopped();
    }
    return passed ? 0 : 1;
  } catch (error) {
    // A program that we ourselves are stopping is no failure.
    if (!closing.isClosing()) throw error;
    return 1;
  } finally {
    await closing.close();
  }
};

const renderSummary = (lines: readonly Line[], milliseconds: number): string => {
  const differing = lines.filter(({ met }) => !met).length;
  const verdict = differing === 0 ? 'all as expected' : `${differing} differ`;
  return `${lines.length} lines, ${verdict}, in ${(milliseconds / 1000).toFixed(1)} s`;
};

const renderStory = ({ story }: Scene): string =>
  ['\n\nThe story of one run, by the records and the cloud’s log:', ...story].join('\n  ');

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
  const options = readOptions(process.argv.slice(2));
  if (options.help) console.log(USAGE);
  else process.exitCode = await run(options);
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
