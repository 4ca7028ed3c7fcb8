import type { Command } from 'commander';

import { openCatalogue } from '../../lib/catalogue/catalogue.ts';
import type { Platform } from '../../lib/contract/platform.ts';
import type { Answer } from './answer.ts';
import {
  newCommand,
  tell,
  withCluster,
  withOutput,
  type OutputOptions,
  type Shell,
} from './command-line.ts';
import type { Cluster, ClusterOptions } from './cluster.ts';
import { nameOf, readText } from './files.ts';
import { describeFinding, lintFiles, type LintReport, type ManifestFile } from './linting.ts';
import { readManifests } from './manifests.ts';
import { describeTerms } from './namespace-terms.ts';
import { platformIn, platformOf } from './platform.ts';
import { openSurroundings } from './surroundings.ts';

type Options = ClusterOptions &
  OutputOptions & { readonly platform?: string; readonly namespace?: string };

/** `lint FILE…` */
export const lintCommand = (shell: Shell): Command =>
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
  ).action((files: readonly string[], options: Options) => lint(files, options, shell));

const lint = async (paths: readonly string[], options: Options, shell: Shell): Promise<void> => {
  const { platform, namespace, cluster } = await settingsOf(options, shell);
  const files: ManifestFile[] = [];
  for (const path of paths) {
    files.push({
      file: nameOf(path),
      manifests: readManifests(await readText(shell.edges, path)),
    });
  }
  const manifests = files.flatMap((file) => file.manifests);
  const readSurroundings = openSurroundings({ manifests, namespace, ...(cluster && { cluster }) });
  const loadCatalogue = openCatalogue();
  const report = await lintFiles(files, { platform, loadCatalogue, namespace, readSurroundings });
  tell(shell, lintAnswer(report), options.output);
};

type Settings = {
  readonly platform: Platform;
  readonly namespace: string;
  /** Absent: none is asked. */
  readonly cluster?: Cluster;
};

const settingsOf = async (options: Options, { edges }: Shell): Promise<Settings> => {
  if (options.platform !== undefined) {
    const platform = await platformIn(edges, options.platform);
    return { platform, namespace: options.namespace ?? 'default' };
  }
  const cluster = edges.openCluster(options);
  const namespace = options.namespace ?? cluster.namespace;
  return { platform: await platformOf(cluster), namespace, cluster };
};

/** What `lint` says. */
const lintAnswer = ({ judged, findings, namespaces }: LintReport): Answer => {
  const faults = findings.filter(({ severity }) => severity === 'fault').length;
  const counts = `objects judged: ${judged}, faults: ${faults}, warnings: ${findings.length - faults}`;
  return {
    isWell: faults === 0,
    lines: [...findings.map(describeFinding), ...namespaces.map(describeTerms), counts],
    json: { judged, faults, findings, namespaces },
  };
};
