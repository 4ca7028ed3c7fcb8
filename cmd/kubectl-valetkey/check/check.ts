import { Option, type Command } from 'commander';

import {
  newCommand,
  printResult,
  withCluster,
  withOutput,
  type OutputOptions,
  type Shell,
} from '../command-line.ts';
import type { ClusterOptions } from '../cluster.ts';
import { readClusterFacts, readInstallationFacts } from './check-facts.ts';
import {
  buildCheckResult,
  checkCluster,
  checkInstallation,
  type FailureThreshold,
} from './check-report.ts';

type Options = ClusterOptions &
  OutputOptions & {
    readonly pre?: true;
    readonly namespace?: string;
    readonly failureThreshold: FailureThreshold;
  };

/** `check` */
export const createCheckCommand = (shell: Shell): Command =>
  withCluster(
    withOutput(
      newCommand('check', 'Check that a cluster and an installation do what Valetkey needs', [
        ['kubectl valetkey check --pre', 'Before an installation'],
        ['kubectl valetkey check -n research', 'After it, with the dry run of a pod in research'],
        ['kubectl valetkey check --failure-threshold warning -o json', 'In CI'],
      ])
        .option('--pre', 'Check only what matters before an installation')
        .option(
          '-n, --namespace <namespace>',
          'Namespace for the dry run of a pod (default: the first that the starter policy permits)',
        )
        .addOption(
          new Option('--failure-threshold <result>', 'Least result that sets exit status 1')
            .choices(['warning', 'fail'])
            .default('fail'),
        ),
    ),
    { short: false },
  ).action((options: Options) => runCheck(options, shell));

const runCheck = async (options: Options, shell: Shell): Promise<void> => {
  const { io } = shell;
  const cluster = io.createClusterClient(options);
  const facts = await readClusterFacts(cluster, io);
  const { failureThreshold, output } = options;
  if (options.pre) {
    printResult(shell, buildCheckResult(checkCluster(facts), failureThreshold), output);
    return;
  }
  const { namespaces } = facts;
  const first = 'value' in namespaces ? namespaces.value[0]?.name : undefined;
  const installation = await readInstallationFacts(cluster, options.namespace ?? first, io);
  const rows = [...checkCluster(facts, installation), ...checkInstallation(installation, io.now())];
  printResult(shell, buildCheckResult(rows, failureThreshold), output);
};
