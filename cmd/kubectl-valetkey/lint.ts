import { Option, type Command } from 'commander';

import { createCatalogLoader } from '../../lib/catalog/catalog.ts';
import { KubernetesError } from '../../lib/edge/kubernetes/kubernetes-error.ts';
import type { Platform } from '../../lib/contract/platform.ts';
import type { CompiledPolicies } from '../../lib/policy/compiled-policies.ts';
import type { CommandResult } from './command-result.ts';
import {
  collectValues,
  newCommand,
  printResult,
  withCluster,
  withOutput,
  type OutputOptions,
  type Shell,
} from './command-line.ts';
import type { ClusterClient, ClusterOptions } from './cluster.ts';
import { formatFileName, readText } from './files.ts';
import { readManifestFiles } from './file-pods.ts';
import { compileAppliedPolicies, compileFilePolicies, createLintPolicy } from './lint-policy.ts';
import { buildSarif } from './lint-sarif.ts';
import {
  formatFinding,
  formatUpstream,
  lintFiles,
  type Finding,
  type LintReport,
  type ManifestFile,
} from './lint-report.ts';
import { readManifests, type Manifest } from './manifests.ts';
import { formatNamespaceSettings } from './namespace-settings.ts';
import { readDefaultPlatform, readPlatformFile, findClusterPlatform } from './platform-settings.ts';
import { createPodContextReader } from './pod-context.ts';
import { colorLines, type Color } from './text-line.ts';
import { EXIT, ToolError } from './tool-error.ts';
import { wrapLine } from './wrapped-text.ts';
import { findFileUpstreams, readAppliedUpstreams } from './upstream-objects.ts';
import type { Upstreams } from '../../lib/policy/upstream-pairs.ts';

type Options = ClusterOptions &
  OutputOptions & {
    readonly platform?: string;
    readonly policy?: readonly string[];
    readonly offline?: true;
    readonly namespace?: string;
    readonly failureThreshold: 'warning' | 'fault';
  };

/** `lint FILE…` */
export const createLintCommand = (shell: Shell): Command =>
  withCluster(
    withOutput(
      newCommand('lint', 'Check pods with tasks, and TaskPolicies, before you apply them', [
        [
          'kubectl valetkey lint agent.yaml',
          'With the settings and policies of the cluster, if it answers',
        ],
        [
          'kubectl valetkey lint --platform platform.yaml --policy policies/ deploy/',
          'Offline, in CI',
        ],
        ['kustomize build . | kubectl valetkey lint -', 'Output of another program'],
        ['kubectl valetkey lint --offline -o sarif deploy/ > valetkey.sarif', 'For code scanning'],
        ['kubectl valetkey lint --failure-threshold warning deploy/', 'Fail on warnings, too'],
      ])
        .argument(
          '<files...>',
          'YAML or JSON manifests, or folders of them; - reads standard input',
        )
        .option('--platform <file>', 'Platform settings; no request is sent to the cluster')
        .option(
          '--policy <file>',
          'TaskPolicies that decide, or a folder of them; repeatable (default: those of the cluster)',
          collectValues,
        )
        .option('--offline', "Use the chart's default settings; send no request to the cluster")
        .option('-n, --namespace <namespace>', 'Namespace for objects without one')
        .addOption(
          new Option('--failure-threshold <severity>', 'Least severity that sets exit status 1')
            .choices(['warning', 'fault'])
            .default('fault'),
        ),
      ['sarif'],
    ),
    { short: false },
  ).action((files: readonly string[], options: Options) => runLint(files, options, shell));

const runLint = async (paths: readonly string[], options: Options, shell: Shell): Promise<void> => {
  const { io } = shell;
  const { notes, platform, namespace, cluster } = await readLintSettings(options, shell);
  const files: ManifestFile[] = [];
  for (const path of await listFiles(paths, shell)) {
    files.push({ file: formatFileName(path), manifests: readManifests(await readText(io, path)) });
  }
  const manifests = files.flatMap((file) => file.manifests);
  const { policies, ...policyResult } = await readPolicies(
    manifests,
    { options, platform, cluster },
    shell,
  );
  const readPodContext = createPodContextReader({
    manifests,
    namespace,
    ...(cluster && { cluster }),
  });
  const loadCatalog = createCatalogLoader();
  const known = { platform, loadCatalog, readPodContext, now: io.now() };
  const { upstreams } = policyResult;
  const evaluatePolicy = createLintPolicy({
    ...known,
    ...(policies && { policies }),
    ...(upstreams && { upstreams }),
  });
  const report = await lintFiles(files, {
    ...known,
    namespace,
    evaluatePolicy,
    ...(upstreams && { upstreams }),
  });
  const allNotes = [...notes, ...policyResult.notes];
  const result = buildLintResult(report, allNotes, io.columns);
  const isFailure = options.failureThreshold === 'warning' && report.findings.length > 0;
  printResult(shell, isFailure ? { ...result, isHealthy: false } : result, options.output);
};

const NO_POLICIES = 'policy: not evaluated; give the TaskPolicies with --policy';

const listFiles = async (paths: readonly string[], { io }: Shell): Promise<readonly string[]> =>
  (await Promise.all(paths.map((path) => io.listFiles(path)))).flat();

type Settings = {
  readonly platform: Platform;
  readonly namespace: string;
  /** Absent: offline. */
  readonly cluster?: ClusterClient;
  /** What the user must know to read the result. */
  readonly notes: readonly string[];
};

const readLintSettings = async (options: Options, { io }: Shell): Promise<Settings> => {
  const namespace = options.namespace ?? 'default';
  if (options.platform !== undefined) {
    return { platform: await readPlatformFile(io, options.platform), namespace, notes: [] };
  }
  if (options.offline) return useDefaults(namespace, 'as --offline requests');
  try {
    const cluster = io.createClusterClient(options);
    const platform = await findClusterPlatform(cluster);
    if (platform === undefined) return useDefaults(namespace, NOT_INSTALLED);
    return { platform, namespace: options.namespace ?? cluster.namespace, cluster, notes: [] };
  } catch (error) {
    const isUsageError = error instanceof ToolError && error.code === EXIT.usage;
    const isUnreachable = isUsageError || error instanceof KubernetesError;
    // A user who names a cluster must not get the answer of another one.
    if (isClusterNamed(options) || !isUnreachable) throw error;
    return useDefaults(namespace, `because no cluster answers (${error.message})`);
  }
};

const NOT_INSTALLED = 'because Valetkey is not installed in the cluster';

const useDefaults = (namespace: string, why: string): Settings => ({
  platform: readDefaultPlatform(),
  namespace,
  notes: [`settings: the chart's defaults, ${why}; give your own with --platform`],
});

const isClusterNamed = ({ kubeconfig, context }: Options): boolean =>
  kubeconfig !== undefined || context !== undefined;

type PolicySources = Pick<Settings, 'platform'> & {
  readonly options: Options;
  readonly cluster: ClusterClient | undefined;
};

/** The policies, or why they are not evaluated. */
type PolicyResult = {
  readonly policies?: CompiledPolicies;
  readonly upstreams?: Upstreams;
  readonly notes: readonly string[];
};

const readPolicies = async (
  manifests: readonly Manifest[],
  { options, platform, cluster }: PolicySources,
  shell: Shell,
): Promise<PolicyResult> => {
  if (platform.authority === undefined) return { notes: [] };
  if (options.policy !== undefined) {
    const paths = await listFiles(options.policy, shell);
    const files = await readManifestFiles(paths, shell.io);
    const upstreams = findFileUpstreams([...files, ...manifests]);
    return { policies: compileFilePolicies(files), ...(upstreams && { upstreams }), notes: [] };
  }
  if (cluster === undefined) return { notes: [NO_POLICIES] };
  try {
    const policies = await compileAppliedPolicies(manifests, cluster);
    return { policies, upstreams: await readAppliedUpstreams(manifests, cluster), notes: [] };
  } catch (error) {
    if (!(error instanceof KubernetesError)) throw error;
    return { notes: [`${NO_POLICIES} (${error.message})`] };
  }
};

const COLORS: Readonly<Record<Finding['severity'], Color>> = { fault: 'red', warning: 'yellow' };

/** Builds the output of `lint`. */
const buildLintResult = (
  { checkedCount, otherCount, findings, namespaces, upstreams }: LintReport,
  notes: readonly string[],
  columns: number | undefined,
): CommandResult => {
  const faults = findings.filter(({ severity }) => severity === 'fault').length;
  const counts = [
    `objects checked: ${checkedCount}`,
    `without tasks: ${otherCount}`,
    `faults: ${faults}`,
    `warnings: ${findings.length - faults}`,
  ].join(', ');
  const wrap = (line: string, color?: Color) => colorLines(wrapLine(line, columns), color);
  const plain = [
    ...namespaces.map(formatNamespaceSettings),
    ...upstreams.map(formatUpstream),
    ...notes,
  ];
  return {
    isHealthy: faults === 0,
    lines: [
      ...findings.flatMap((found) => wrap(formatFinding(found), COLORS[found.severity])),
      ...plain.flatMap((line) => wrap(line)),
      ...wrap(counts, faults === 0 ? 'green' : 'red'),
    ],
    json: {
      checked: checkedCount,
      withoutTasks: otherCount,
      faults,
      findings,
      namespaces,
      upstreams,
      notes,
    },
    sarif: buildSarif(findings),
  };
};
