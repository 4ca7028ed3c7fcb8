import type { Command } from 'commander';

import { renderTimeline, buildTimeline, type Timeline } from '../../lib/audit/timeline.ts';
import type { CommandResult } from './command-result.ts';
import {
  newCommand,
  collectValues,
  printResult,
  withOutput,
  type OutputOptions,
  type Shell,
} from './command-line.ts';
import { createFileReader } from './files.ts';

type Options = OutputOptions & {
  readonly records: readonly string[];
  readonly cloudLog?: readonly string[];
  readonly log?: boolean;
};

/** `audit story RUN` */
export const createAuditTimelineCommand = (shell: Shell): Command =>
  withOutput(
    newCommand('story', 'tell one run: intent, policy, credentials, each cloud call, end', [
      [
        'kubectl valetkey audit story k3vqw2xb7n5m4c6d2e7f3g5h2j4k6l7m --records audit-0.jsonl --records audit-1.jsonl --cloud-log ops.log',
        'from files',
      ],
      [
        'kubectl logs -n valetkey -l app.kubernetes.io/component=authority --tail=-1 | kubectl valetkey audit story k3vqw2xb7n5m4c6d2e7f3g5h2j4k6l7m --log --records -',
        "from the replicas' own output, without the cloud's calls",
      ],
    ])
      .argument('<run>', 'the run')
      .requiredOption(
        '--records <file>',
        'records, of every replica; several times; - is standard input',
        collectValues,
      )
      .option(
        '--cloud-log <file>',
        "the cloud's own log: Ceph RGW's ops log or AWS CloudTrail; several times",
        collectValues,
      )
      .option('--log', 'pass over lines of --records that are no records'),
  ).action(async (run: string, { records, cloudLog = [], log = false, output }: Options) => {
    const createReader = (path: string) => createFileReader(shell.io, path);
    const files = { records: records.map(createReader), cloudLogs: cloudLog.map(createReader) };
    printResult(
      shell,
      buildTimelineResult(await buildTimeline({ run, ...files, allowsForeign: log })),
      output,
    );
  });

/** What `audit story` says: a run that nobody knows is something wrong. */
const buildTimelineResult = (story: Timeline): CommandResult => ({
  isHealthy: story.steps.length > 0,
  lines: renderTimeline(story),
  json: story,
});
