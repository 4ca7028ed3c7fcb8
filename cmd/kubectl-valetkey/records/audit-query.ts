import type { Command } from 'commander';

import { splitLines } from '../../../lib/audit/line-splitter.ts';
import { newCommand, withOutput, type OutputOptions, type Shell } from '../command-line.ts';
import { createFileReader } from '../files.ts';
import { withProgress } from '../progress.ts';
import {
  createTimeParser,
  matchesRecord,
  readRecord,
  withRecordFilter,
  type RecordFilter,
} from './record-filter.ts';
import { createRecordRenderer } from './record-view.ts';

/** `audit query FILES…` */
export const createAuditQueryCommand = (shell: Shell): Command =>
  withOutput(
    withRecordFilter(
      newCommand('query', 'Print the records of audit files or logs that match', [
        ['kubectl valetkey audit query --denied --since 2h audit-*.jsonl', 'Recent refusals'],
        [
          'kubectl valetkey audit query -n research --task summarize --kind run audit-0.jsonl',
          'The runs of one task',
        ],
        [
          'kubectl logs -n valetkey valetkey-authority-0 | kubectl valetkey audit query -o json -',
          'From the log of a replica, as lines of JSON',
        ],
      ]).argument('<files...>', 'Audit files or logs of any replicas; - reads standard input'),
    )
      .option('--since <time>', 'Not before: 15m ago, or RFC 3339', createTimeParser(shell.io))
      .option('--until <time>', 'Before: 15m ago, or RFC 3339', createTimeParser(shell.io)),
  ).action(async (files: readonly string[], options: RecordFilter & OutputOptions) => {
    const render = createRecordRenderer(options.output, shell.io);
    const query = async (): Promise<void> => {
      for (const path of files) {
        for await (const { bytes } of splitLines(createFileReader(shell.io, path).chunks)) {
          const record = readRecord(bytes.toString('utf8'));
          if (record !== undefined && matchesRecord(options, record)) shell.io.out(render(record));
        }
      }
    };
    await withProgress('reading audit files', query, shell.io);
  });
