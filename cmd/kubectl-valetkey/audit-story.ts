import type { Command } from 'commander';

import { renderStory, tellStory, type Story } from '../../lib/audit/story.ts';
import type { Answer } from './answer.ts';
import {
  newCommand,
  several,
  tell,
  withOutput,
  type OutputOptions,
  type Shell,
} from './command-line.ts';
import { openFile } from './files.ts';

type Options = OutputOptions & {
  readonly records: readonly string[];
  readonly cloudLog?: readonly string[];
  readonly log?: boolean;
};

/** `audit story RUN` */
export const auditStoryCommand = (shell: Shell): Command =>
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
        several,
      )
      .option(
        '--cloud-log <file>',
        "the cloud's own log: Ceph RGW's ops log or AWS CloudTrail; several times",
        several,
      )
      .option('--log', 'pass over lines of --records that are no records'),
  ).action(async (run: string, { records, cloudLog = [], log = false, output }: Options) => {
    const open = (path: string) => openFile(shell.edges, path);
    const files = { records: records.map(open), cloudLogs: cloudLog.map(open) };
    tell(shell, storyAnswer(await tellStory({ run, ...files, allowsForeign: log })), output);
  });

/** What `audit story` says: a run that nobody knows is something wrong. */
const storyAnswer = (story: Story): Answer => ({
  isWell: story.steps.length > 0,
  lines: renderStory(story),
  json: story,
});
