import type { Command } from 'commander';

import { createCatalogLoader } from '../../lib/catalog/catalog.ts';
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
        'Check an installation: programs, policies, keys, revocations, audit heads, pods',
        [
          ['kubectl valetkey status', 'Exit status 1: problems found'],
          ['kubectl valetkey status -o json', 'JSON output for scripts'],
          ['kubectl valetkey status -n security', 'Valetkey installed in another namespace'],
        ],
      ),
    ),
  ).action(async (options: ClusterOptions & OutputOptions) => {
    const now = shell.io.now();
    const loadCatalog = createCatalogLoader();
    const data = await readStatusData(shell.io.createClusterClient(options), { now, loadCatalog });
    printResult(shell, buildStatusResult(evaluateStatus(data, now), now), options.output);
  });
