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
      newCommand('lint', 'Check pods with tasks, and TaskPolicies, before you apply them', [
        ['kubectl valetkey lint agent.yaml', 'With the settings of the cluster'],
        ['kubectl valetkey lint --platform platform.yaml *.yaml', 'Offline, in CI'],
        ['kustomize build . | kubectl valetkey lint -', 'Output of another program'],
      ])
        .argument('<files...>', 'YAML or JSON manifests; - reads standard input')
        .option('--platform <file>', 'Platform settings (default: read from the cluster)')
        .option('-n, --namespace <namespace>', 'Namespace for objects without one'),
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
  /** Absent: offline. */
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

/** Builds the output of `lint`. */
const buildLintResult = ({ checkedCount, findings, namespaces }: LintReport): CommandResult => {
  const faults = findings.filter(({ severity }) => severity === 'fault').length;
  const counts = `objects checked: ${checkedCount}, faults: ${faults}, warnings: ${findings.length - faults}`;
  return {
    isHealthy: faults === 0,
    lines: [...findings.map(formatFinding), ...namespaces.map(formatNamespaceSettings), counts],
    json: { checked: checkedCount, faults, findings, namespaces },
  };
};
