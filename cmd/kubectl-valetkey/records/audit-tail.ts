import type { Command } from 'commander';

import { escapeInvisible } from '../../../lib/schema/field-error.ts';
import type { ClusterOptions } from '../cluster.ts';
import {
  newCommand,
  withCluster,
  withOutput,
  type OutputOptions,
  type Shell,
} from '../command-line.ts';
import type { Io } from '../io.ts';
import { EXIT } from '../tool-error.ts';
import {
  createTimeParser,
  matchesRecord,
  withRecordFilter,
  type RecordFilter,
} from './record-filter.ts';
import { createRecordFollower } from './record-follower.ts';
import { createRecordRenderer } from './record-view.ts';

type Options = ClusterOptions & OutputOptions & RecordFilter & { readonly follow: boolean };

const INTERVAL_MS = 2_000;
const DEFAULT_SINCE = '1m';

/** `audit tail` */
export const createAuditTailCommand = (shell: Shell): Command => {
  const parseTime = createTimeParser(shell.io);
  return withCluster(
    withOutput(
      withRecordFilter(
        newCommand('tail', "Follow the records in the logs of the authority's replicas", [
          ['kubectl valetkey audit tail --denied', 'Refusals of every namespace, until Ctrl+C'],
          ['kubectl valetkey audit tail -n research --task summarize -o json', 'One task, as JSON'],
          ['kubectl valetkey audit tail --since 1h --no-follow', 'What is there, and end'],
        ]),
      )
        .option(
          '--since <time>',
          `Begin there: 15m ago, or RFC 3339 (default: ${DEFAULT_SINCE})`,
          parseTime,
        )
        .option('--no-follow', 'Print the records that are there, and end'),
    ),
    { short: false },
  ).action(({ since = parseTime(DEFAULT_SINCE), ...options }: Options) =>
    followRecords({ ...options, since }, shell),
  );
};

const followRecords = async (
  options: Options & { readonly since: number },
  { io, setExitCode }: Shell,
): Promise<void> => {
  const cluster = io.createClusterClient(options);
  const { since } = options;
  const read = createRecordFollower(cluster, { since, now: io.now });
  const render = createRecordRenderer(options.output, io);
  const interruption = createInterruption(io);
  let reported = '';
  do {
    const { records, problems, notes } = await read();
    const found = records.filter((record) => matchesRecord(options, record));
    if (found.length > 0) io.out(found.map(render).join(''));
    const text = [...problems, ...notes].map((problem) => `${escapeInvisible(problem)}\n`).join('');
    // What lasts is printed once.
    if (text !== reported) io.error(text);
    reported = text;
    if (!options.follow && problems.length > 0) setExitCode(EXIT.unverified);
  } while (options.follow && (await interruption.pause(INTERVAL_MS)));
  interruption.end();
};

/** @returns `pause` resolves to false once the user has ended the command */
const createInterruption = ({ onInterrupt, schedule }: Pick<Io, 'onInterrupt' | 'schedule'>) => {
  let isInterrupted = false;
  let wake = (): void => undefined;
  const end = onInterrupt(() => {
    isInterrupted = true;
    wake();
  });
  const pause = async (ms: number): Promise<boolean> => {
    if (isInterrupted) return false;
    await new Promise<void>((resolve) => {
      const cancel = schedule(ms, resolve);
      wake = () => {
        cancel();
        resolve();
      };
    });
    return !isInterrupted;
  };
  return { pause, end };
};
