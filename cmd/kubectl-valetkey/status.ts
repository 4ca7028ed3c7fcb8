import type { Command } from 'commander';

import {
  newCommand,
  tell,
  withCluster,
  withOutput,
  type OutputOptions,
  type Shell,
} from './command-line.ts';
import type { ClusterOptions } from './cluster.ts';
import { readFacts } from './facts.ts';
import { judgeState } from './state.ts';
import { statusAnswer } from './status-view.ts';

/** `status` */
export const statusCommand = (shell: Shell): Command =>
  withCluster(
    withOutput(
      newCommand(
        'status',
        'say how the installation is: programs, policies, keys, revocations, audit, pods',
        [
          ['kubectl valetkey status', 'ends with 1 when something is not well'],
          ['kubectl valetkey status -o json', 'the same for programs'],
          ['kubectl valetkey status -n security', 'where Valetkey is installed elsewhere'],
        ],
      ),
    ),
  ).action(async (options: ClusterOptions & OutputOptions) => {
    const facts = await readFacts(shell.edges.openCluster(options));
    const now = shell.edges.now();
    tell(shell, statusAnswer(judgeState(facts, now), now), options.output);
  });
