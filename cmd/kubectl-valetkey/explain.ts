import type { Command } from 'commander';

import { createCatalogLoader } from '../../lib/catalog/catalog.ts';
import {
  parseKeyValue,
  newCommand,
  collectValues,
  printResult,
  withCluster,
  withOutput,
  type OutputOptions,
  type Shell,
} from './command-line.ts';
import type { ClusterOptions } from './cluster.ts';
import { buildExplainResult } from './explain-view.ts';
import {
  explainPod,
  buildExplainContext,
  readExplainContext,
  type ExplainContext,
  type PodToExplain,
} from './explain-report.ts';
import { readManifestFiles, readManifestPods } from './file-pods.ts';
import { readLivePod } from './live-pod-reader.ts';
import { readPlatformFile } from './platform-settings.ts';
import { createUsageError } from './tool-error.ts';

type Options = ClusterOptions &
  OutputOptions & {
    readonly file?: readonly string[];
    /** Absent: the cluster is asked. */
    readonly platform?: string;
    readonly namespace?: string;
    readonly task?: string;
    readonly param?: Readonly<Record<string, string>>;
    readonly purpose?: string;
  };

/** `explain POD` and `explain -f FILE` */
export const createExplainCommand = (shell: Shell): Command =>
  withCluster(
    withOutput(
      newCommand(
        'explain',
        'say what policy decides about each task of a pod, what its session policy will be, and which rules the pod breaks',
        [
          ['kubectl valetkey explain agent-7 -n research', 'a live pod'],
          ['kubectl valetkey explain -f agent.yaml', 'a manifest that is not applied yet'],
          [
            'kubectl valetkey explain -f agent.yaml -f namespace.yaml -f policies.yaml --platform platform.yaml',
            'the same offline, with all that decides in files',
          ],
          [
            'kubectl valetkey explain agent-7 -n research --task summarize --param customer=acme',
            'one task, with the params of one run',
          ],
        ],
      )
        .argument('[pod]', 'a live pod')
        .option(
          '-f, --file <file>',
          'manifests instead; several times; - is standard input',
          collectValues,
        )
        .option(
          '--platform <file>',
          "with -f: the platform's settings; no cluster is asked, policies, namespaces and service accounts are those of the files",
        )
        .option('-n, --namespace <namespace>', 'of the pod, or of a manifest that names none')
        .option('--task <name>', 'this task alone')
        .option('--param <name=value>', 'a param of the run; several times', parseKeyValue)
        .option('--purpose <text>', 'purpose of the run'),
    ),
    { short: false },
  ).action((pod: string | undefined, options: Options) => runExplain(pod, options, shell));

const runExplain = async (
  pod: string | undefined,
  options: Options,
  shell: Shell,
): Promise<void> => {
  const { file: files = [], task, param = {}, purpose, platform } = options;
  if ((pod === undefined) === (files.length === 0)) {
    const got = pod === undefined ? 'neither' : 'both';
    throw createUsageError([{ path: 'explain', expected: 'the name of a pod, or -f FILE', got }]);
  }
  if (pod !== undefined && platform !== undefined) {
    const expected = "-f FILE beside it: a live pod is the cluster's";
    throw createUsageError([{ path: '--platform', expected, got: 'a pod' }]);
  }
  const { pods, context } =
    pod === undefined
      ? await readFiles(files, options, shell)
      : await readLivePods(pod, options, shell);
  const request = {
    params: param,
    ...(task !== undefined && { task }),
    ...(purpose !== undefined && { purpose }),
  };
  const explained = [];
  for (const each of pods) explained.push(await explainPod(each, request, context));
  printResult(shell, buildExplainResult(explained), options.output);
};

type Subjects = { readonly pods: readonly PodToExplain[]; readonly context: ExplainContext };

const readLivePods = async (name: string, options: Options, shell: Shell): Promise<Subjects> => {
  const cluster = shell.io.createClusterClient(options);
  const context = await readExplainContext(cluster, buildContextDefaults(shell));
  const namespace = options.namespace ?? cluster.namespace;
  return { context, pods: [await readLivePod({ namespace, name }, cluster, context)] };
};

const buildContextDefaults = ({ io }: Shell): Pick<ExplainContext, 'loadCatalog' | 'now'> => ({
  loadCatalog: createCatalogLoader(),
  now: io.now(),
});

const readFiles = async (
  paths: readonly string[],
  options: Options,
  shell: Shell,
): Promise<Subjects> => {
  const { io } = shell;
  const manifests = await readManifestFiles(paths, io);
  if (options.platform !== undefined) {
    const platform = await readPlatformFile(io, options.platform);
    const context = buildExplainContext(manifests, { ...buildContextDefaults(shell), platform });
    const sources = { manifests, namespace: options.namespace ?? 'default' };
    return { context, pods: await readManifestPods(paths, sources, context) };
  }
  const cluster = io.createClusterClient(options);
  const context = await readExplainContext(cluster, buildContextDefaults(shell));
  const sources = { manifests, namespace: options.namespace ?? cluster.namespace, cluster };
  return { context, pods: await readManifestPods(paths, sources, context) };
};
