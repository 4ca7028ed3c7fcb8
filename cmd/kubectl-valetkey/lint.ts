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
import type { ClusterOptions } from './cluster.ts';
import { nameOf, readText } from './files.ts';
import { describeFinding, lintFile, type LintReport } from './linting.ts';
import { platformIn, platformOf } from './platform.ts';

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

const lint = async (files: readonly string[], options: Options, shell: Shell): Promise<void> => {
  const { platform, namespace } = await termsOf(options, shell);
  const terms = { platform, loadCatalogue: openCatalogue(), namespace };
  const reports: LintReport[] = [];
  for (const path of files) {
    const text = await readText(shell.edges, path);
    reports.push(await lintFile({ file: nameOf(path), text }, terms));
  }
  tell(shell, lintAnswer(reports), options.output);
};

const termsOf = async (
  options: Options,
  { edges }: Shell,
): Promise<{ readonly platform: Platform; readonly namespace: string }> => {
  if (options.platform !== undefined) {
    const platform = await platformIn(edges, options.platform);
    return { platform, namespace: options.namespace ?? 'default' };
  }
  const cluster = edges.openCluster(options);
  return {
    platform: await platformOf(cluster),
    namespace: options.namespace ?? cluster.namespace,
  };
};

/** What `lint` says. */
const lintAnswer = (reports: readonly LintReport[]): Answer => {
  const findings = reports.flatMap((report) => report.findings);
  const judged = reports.reduce((sum, report) => sum + report.judged, 0);
  const faults = findings.filter(({ severity }) => severity === 'fault').length;
  const counts = `objects judged: ${judged}, faults: ${faults}, warnings: ${findings.length - faults}`;
  return {
    isWell: faults === 0,
    lines: [...findings.map(describeFinding), counts],
    json: { judged, faults, findings },
  };
};
