import type { Command } from 'commander';

import { createCatalogLoader } from '../../lib/catalog/catalog.ts';
import type { Platform } from '../../lib/contract/platform.ts';
import type { CommandResult } from './command-result.ts';
import {
  newCommand,
  printResult,
  withCluster,
  withOutput,
  type OutputOptions,
  type Shell,
} from './command-line.ts';
import type { ClusterClient, ClusterOptions } from './cluster.ts';
import { formatFileName, readText } from './files.ts';
import { formatFinding, lintFiles, type LintReport, type ManifestFile } from './lint-report.ts';
import { readManifests } from './manifests.ts';
import { formatNamespaceSettings } from './namespace-settings.ts';
import { readPlatformFile, readClusterPlatform } from './platform-settings.ts';
import { createPodContextReader } from './pod-context.ts';

type Options = ClusterOptions &
  OutputOptions & { readonly platform?: string; readonly namespace?: string };

/** `lint FILE…` */
export const createLintCommand = (shell: Shell): Command =>
  withCluster(
    withOutput(
      newCommand(
        'lint',
        'judge manifests of pods with tasks, and TaskPolicies, before they are applied',
        [
          ['kubectl valetkey lint agent.yaml', "by the cluster's settings"],
          ['kubectl valetkey lint --platform platform.yaml *.yaml', 'offline, in CI'],
          ['kustomize build . | kubectl valetkey lint -', 'what another program writes'],
        ],
      )
        .argument('<files...>', 'YAML or JSON; - is standard input')
        .option('--platform <file>', "the platform's settings, instead of asking the cluster")
        .option('-n, --namespace <namespace>', 'of objects that name none'),
    ),
    { short: false },
  ).action((files: readonly string[], options: Options) => runLint(files, options, shell));

const runLint = async (paths: readonly string[], options: Options, shell: Shell): Promise<void> => {
  const { platform, namespace, cluster } = await readLintSettings(options, shell);
  const files: ManifestFile[] = [];
  for (const path of paths) {
    files.push({
      file: formatFileName(path),
      manifests: readManifests(await readText(shell.io, path)),
    });
  }
  const manifests = files.flatMap((file) => file.manifests);
  const readPodContext = createPodContextReader({
    manifests,
    namespace,
    ...(cluster && { cluster }),
  });
  const loadCatalog = createCatalogLoader();
  const report = await lintFiles(files, { platform, loadCatalog, namespace, readPodContext });
  printResult(shell, buildLintResult(report), options.output);
};

type Settings = {
  readonly platform: Platform;
  readonly namespace: string;
  /** Absent: none is asked. */
  readonly cluster?: ClusterClient;
};

const readLintSettings = async (options: Options, { io }: Shell): Promise<Settings> => {
  if (options.platform !== undefined) {
    const platform = await readPlatformFile(io, options.platform);
    return { platform, namespace: options.namespace ?? 'default' };
  }
  const cluster = io.createClusterClient(options);
  const namespace = options.namespace ?? cluster.namespace;
  return { platform: await readClusterPlatform(cluster), namespace, cluster };
};

/** What `lint` says. */
const buildLintResult = ({ checkedCount, findings, namespaces }: LintReport): CommandResult => {
  const faults = findings.filter(({ severity }) => severity === 'fault').length;
  const counts = `objects judged: ${checkedCount}, faults: ${faults}, warnings: ${findings.length - faults}`;
  return {
    isHealthy: faults === 0,
    lines: [...findings.map(formatFinding), ...namespaces.map(formatNamespaceSettings), counts],
    json: { judged: checkedCount, faults, findings, namespaces },
  };
};
