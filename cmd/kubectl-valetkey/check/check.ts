import { Option, type Command } from 'commander';

import {
  collectValues,
  newCommand,
  printResult,
  withCluster,
  withOutput,
  type OutputOptions,
  type Shell,
} from '../command-line.ts';
import type { ClusterClient, ClusterOptions } from '../cluster.ts';
import { readClusterPlatform } from '../platform-settings.ts';
import { withProgress } from '../progress.ts';
import { resolveRoleArn } from '../role-arn.ts';
import { createUsageError } from '../tool-error.ts';
import { readClusterFacts, readInstallationFacts } from './check-facts.ts';
import {
  buildCheckResult,
  checkCluster,
  checkInstallation,
  type FailureThreshold,
} from './check-report.ts';
import { checkSmokeTest } from './smoke-checks.ts';
import {
  parseSmokeObjects,
  runSmokeTest,
  type SmokeFacts,
  type SmokeTarget,
} from './smoke-test.ts';

type Options = ClusterOptions &
  OutputOptions & {
    readonly pre?: true;
    readonly namespace?: string;
    readonly failureThreshold: FailureThreshold;
    readonly smokeTest?: true;
    readonly role?: string;
    readonly object?: readonly string[];
    readonly serviceAccount?: string;
  };

/** `check` */
export const createCheckCommand = (shell: Shell): Command =>
  withCluster(
    withOutput(
      newCommand('check', 'Check that a cluster and an installation do what Valetkey needs', [
        ['kubectl valetkey check --pre', 'Before an installation'],
        ['kubectl valetkey check -n research', 'After it, with the dry run of a pod in research'],
        ['kubectl valetkey check --failure-threshold warning -o json', 'In CI'],
        [
          'kubectl valetkey check --smoke-test -n research --role agent-reports --object acme-data/a.txt --object acme-data/b.txt',
          'With a pod in research that uses credentials of the cloud',
        ],
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
        )
        .option(
          '--smoke-test',
          'Also run a pod in --namespace that uses credentials of --role, and delete it again',
        )
        .option('--role <arn|name>', 'Role of the smoke test')
        .option(
          '--object <bucket/key>',
          'Object that the role may read; the smoke test needs two',
          collectValues,
        )
        .option('--service-account <name>', 'Service account of the smoke test (default: default)'),
      ['sarif'],
    ),
    { short: false },
  ).action((options: Options) => runCheck(options, shell));

const runCheck = async (options: Options, shell: Shell): Promise<void> => {
  const { io } = shell;
  const cluster = io.createClusterClient(options);
  const smokeTarget = readSmokeTarget(options);
  const { failureThreshold, output } = options;
  const facts = await withProgress(
    'reading facts about the cluster',
    () => readClusterFacts(cluster, io),
    io,
  );
  if (options.pre) {
    printResult(shell, buildCheckResult(checkCluster(facts), failureThreshold), output);
    return;
  }
  const { namespaces } = facts;
  const first = 'value' in namespaces ? namespaces.value[0]?.name : undefined;
  const installation = await withProgress(
    'reading facts about the installation',
    () => readInstallationFacts(cluster, options.namespace ?? first, io),
    io,
  );
  const rows = [...checkCluster(facts, installation), ...checkInstallation(installation, io.now())];
  const smokeRows =
    smokeTarget === undefined
      ? []
      : checkSmokeTest(await startSmokeTest(cluster, smokeTarget, shell));
  printResult(shell, buildCheckResult([...rows, ...smokeRows], failureThreshold), output);
};

/** @throws ToolError for options that do not belong together */
const readSmokeTarget = (options: Options): SmokeTarget | undefined => {
  const { smokeTest, pre, namespace, role, object, serviceAccount } = options;
  const own = { role, object, 'service-account': serviceAccount };
  if (!smokeTest) {
    const faults = Object.entries(own)
      .filter(([, value]) => value !== undefined)
      .map(([name]) => ({ path: `--${name}`, expected: '--smoke-test with it', got: 'none' }));
    if (faults.length > 0) throw createUsageError(faults);
    return undefined;
  }
  if (pre || namespace === undefined || role === undefined) {
    const path = pre ? '--pre' : namespace === undefined ? '--namespace' : '--role';
    const expected = pre ? 'an installation for --smoke-test' : 'a value for --smoke-test';
    throw createUsageError([{ path, expected, got: 'none' }]);
  }
  return {
    namespace,
    role,
    objects: parseSmokeObjects(object),
    ...(serviceAccount !== undefined && { serviceAccount }),
  };
};

const startSmokeTest = async (
  cluster: ClusterClient,
  { role, ...target }: SmokeTarget,
  { io }: Shell,
): Promise<SmokeFacts> => {
  const platform = await readClusterPlatform(cluster);
  const arn = resolveRoleArn({ role }, platform);
  return runSmokeTest(cluster, { platform, target: { ...target, role: arn } }, io);
};
