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
  readonly calls?: readonly string[];
  readonly log?: boolean;
};

/** `audit timeline RUN` */
export const createAuditTimelineCommand = (shell: Shell): Command =>
  withOutput(
    newCommand(
      'timeline',
      'Show one run: intent, policy, credentials, each call and its line in the log of the cloud, end',
      [
        [
          'kubectl valetkey audit timeline k3vqw2xb7n5m4c6d2e7f3g5h2j4k6l7m --records audit-0.jsonl --records audit-1.jsonl --cloud-log ops.log',
          'From files',
        ],
        [
          'kubectl valetkey audit timeline k3vqw2xb7n5m4c6d2e7f3g5h2j4k6l7m --records audit-0.jsonl --calls agent-7.log --cloud-log ops.log',
          'With the decision about each call, from `kubectl logs agent-7 -c valetkey-sidecar`',
        ],
        [
          'kubectl logs -n valetkey -l app.kubernetes.io/component=authority --tail=-1 | kubectl valetkey audit timeline k3vqw2xb7n5m4c6d2e7f3g5h2j4k6l7m --log --records -',
          'From the logs of the replicas, without cloud calls',
        ],
      ],
    )
      .argument('<run>', 'Run ID')
      .requiredOption(
        '--records <file>',
        'Audit file of a replica; repeatable; - reads standard input',
        collectValues,
      )
      .option(
        '--cloud-log <file>',
        'Cloud log: Ceph RGW ops log or AWS CloudTrail; repeatable',
        collectValues,
      )
      .option(
        '--calls <file>',
        "Log of the run's sidecar with its journal of calls; repeatable",
        collectValues,
      )
      .option('--log', 'Ignore non-record lines of --records'),
  ).action(async (run: string, options: Options) => {
    const { records, cloudLog = [], calls = [], log = false, output } = options;
    const createReader = (path: string) => createFileReader(shell.io, path);
    const files = {
      records: records.map(createReader),
      cloudLogs: cloudLog.map(createReader),
      calls: calls.map(createReader),
    };
    printResult(
      shell,
      buildTimelineResult(await buildTimeline({ run, ...files, ignoresForeignLines: log })),
      output,
    );
  });

/** Output of `audit timeline`. A run without any record is a problem. */
const buildTimelineResult = (timeline: Timeline): CommandResult => ({
  isHealthy: timeline.steps.length > 0,
  lines: renderTimeline(timeline),
  json: timeline,
});
