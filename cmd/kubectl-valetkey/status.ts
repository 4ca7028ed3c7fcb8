import type { Command } from 'commander';

import {
  newCommand,
  printResult,
  withCluster,
  withOutput,
  type OutputOptions,
  type Shell,
} from './command-line.ts';
import type { ClusterOptions } from './cluster.ts';
import { readStatusData } from './status-data.ts';
import { evaluateStatus } from './installation-status.ts';
import { buildStatusResult } from './status-view.ts';

/** `status` */
export const createStatusCommand = (shell: Shell): Command =>
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
    const data = await readStatusData(shell.io.createClusterClient(options));
    const now = shell.io.now();
    printResult(shell, buildStatusResult(evaluateStatus(data, now), now), options.output);
  });
