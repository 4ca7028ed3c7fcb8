import { Option, type Command } from 'commander';

import { verifyChain } from '../../../lib/audit/verify.ts';
import { AUDIT_HEADS_CONFIG_MAP } from '../../../lib/contract/authority-api.ts';
import type { Platform } from '../../../lib/contract/platform.ts';
import { compilePolicies } from '../../../lib/policy/compiled-policies.ts';
import { toPolicyText } from '../../../lib/policy/policy-text.ts';
import { parseStoredUpstreams } from '../../../lib/upstreams/stored-upstreams.ts';
import type { ClusterClient, ClusterOptions } from '../cluster.ts';
import {
  newCommand,
  printResult,
  withCluster,
  withOutput,
  type OutputOptions,
  type Shell,
} from '../command-line.ts';
import { readPart } from '../api-errors.ts';
import { createFileReader } from '../files.ts';
import type { Io } from '../io.ts';
import { readClusterPlatform, requireAuthority } from '../platform-settings.ts';
import { withProgress } from '../progress.ts';
import { getPublishedKeys, parseHeads, parseKeys, readClusterHeads } from '../published-heads.ts';
import { createTimeParser } from '../records/record-filter.ts';
import { readDeclaredTasks } from './declared-tasks.ts';
import { buildPostureReport, type PostureFinding, type PostureInputs } from './posture-report.ts';
import { buildPostureResult } from './posture-view.ts';
import { createChainStarts, evaluateCoverage } from './record-coverage.ts';
import { createUsageCollector, type Window } from './recorded-usage.ts';

type Options = ClusterOptions &
  OutputOptions & {
    readonly namespace?: string;
    readonly since?: number;
    readonly until?: number;
    readonly failureThreshold: PostureFinding['severity'];
  };

const DEFAULT_SINCE = '30d';

/** `posture FILE…` */
export const createPostureCommand = (shell: Shell): Command => {
  const parseTime = createTimeParser(shell.io);
  return withCluster(
    withOutput(
      newCommand('posture', 'Find rights, tasks, Upstreams and permits that no run used', [
        [
          'kubectl valetkey posture audit-*.jsonl',
          'Of the last 30 days, from the audit files of all replicas',
        ],
        [
          'kubectl valetkey posture -n research --since 7d -o json audit-*.jsonl',
          'One namespace, for scripts',
        ],
        [
          'kubectl logs -n valetkey -l app.kubernetes.io/component=authority --tail=-1 | kubectl valetkey posture --since 1h -',
          'From the logs of the replicas',
        ],
        ['kubectl valetkey posture -o sarif audit-*.jsonl > posture.sarif', 'For code scanning'],
      ])
        .argument('<files...>', 'Audit files or logs of every replica; - reads standard input')
        .option(
          '--since <time>',
          `Not before: 7d ago, or RFC 3339 (default: ${DEFAULT_SINCE})`,
          parseTime,
        )
        .option(
          '--until <time>',
          'Before: 1d ago, or RFC 3339 (default: where the records end)',
          parseTime,
        )
        .option(
          '-n, --namespace <namespace>',
          'Only tasks of this namespace (default: every one, with Upstreams and permits)',
        )
        .addOption(
          new Option('--failure-threshold <severity>', 'Least severity that sets exit status 1')
            .choices(['note', 'warning'])
            .default('warning'),
        ),
      ['sarif'],
    ),
    { short: false },
  ).action(
    async (
      files: readonly string[],
      { since = parseTime(DEFAULT_SINCE), until = shell.io.now(), ...options }: Options,
    ) => {
      const { io } = shell;
      const cluster = io.createClusterClient(options);
      const platform = await readClusterPlatform(cluster);
      requireAuthority(platform);
      const readInputs = async (): Promise<PostureInputs> => ({
        ...(await readUsage(files, { io, cluster, wanted: { since, until } })),
        ...(await readDeclared(cluster, { platform, namespace: options.namespace })),
        now: io.now(),
      });
      const inputs = await withProgress('reading audit files', readInputs, io);
      const { failureThreshold: threshold, output } = options;
      const result = buildPostureResult(buildPostureReport(inputs), { threshold, now: io.now() });
      printResult(shell, result, output);
    },
  );
};

/** The heads are read before the files, because both grow. */
const readUsage = async (
  files: readonly string[],
  {
    io,
    cluster,
    wanted,
  }: {
    readonly io: Io;
    readonly cluster: ClusterClient;
    readonly wanted: Window;
  },
): Promise<Pick<PostureInputs, 'coverage' | 'usage'>> => {
  const published = await readClusterHeads(cluster);
  const publicKeys = parseKeys(
    getPublishedKeys(published, AUDIT_HEADS_CONFIG_MAP),
    AUDIT_HEADS_CONFIG_MAP,
  );
  const collector = createUsageCollector(wanted.since);
  const starts = createChainStarts();
  const report = await verifyChain(
    files.map((path) => createFileReader(io, path)),
    {
      publicKeys,
      isMissingStartAllowed: true,
      ignoresForeignLines: true,
      onRecord: (record) => {
        collector.add(record);
        starts.add(record);
      },
    },
  );
  const heads = parseHeads(published);
  const missing = starts.listMissing(report);
  return {
    coverage: evaluateCoverage(report, { heads, missing, wanted }),
    usage: collector.result(),
  };
};

type Declared = Omit<PostureInputs, 'coverage' | 'usage' | 'now'>;

const readDeclared = async (
  cluster: ClusterClient,
  { platform, namespace }: { readonly platform: Platform; readonly namespace: string | undefined },
): Promise<Declared> => {
  const declared = await readDeclaredTasks(cluster.listPods(namespace), platform);
  // What no pod of one namespace uses, pods of others may.
  if (namespace !== undefined) return { declared, namespace, problems: [] };
  const [policies, upstreams] = await Promise.all([
    readPart(cluster.listPolicies().then((all) => compilePolicies(all.map(toPolicyText)))),
    readPart(cluster.listUpstreams().then(parseStoredUpstreams)),
  ]);
  return {
    declared,
    ...('value' in policies && { policies: policies.value }),
    ...('value' in upstreams && { upstreams: upstreams.value }),
    problems: [policies, upstreams].flatMap((part) => ('unknown' in part ? [part.unknown] : [])),
  };
};
