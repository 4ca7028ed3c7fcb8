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
    /** Settings file; absent: read from the cluster. */
    readonly platform?: string;
    readonly namespace?: string;
    readonly task?: string;
    readonly param?: Readonly<Record<string, string>>;
  };

/** `explain POD` and `explain -f FILE` */
export const createExplainCommand = (shell: Shell): Command =>
  withCluster(
    withOutput(
      newCommand(
        'explain',
        'Show the policy decision and session policy of each task of a pod, and the rules that the pod violates',
        [
          ['kubectl valetkey explain agent-7 -n research', 'A running pod'],
          ['kubectl valetkey explain -f agent.yaml', 'A manifest that is not applied yet'],
          [
            'kubectl valetkey explain -f agent.yaml -f namespace.yaml -f policies.yaml --platform platform.yaml',
            'The same offline, with all inputs in files',
          ],
          [
            'kubectl valetkey explain agent-7 -n research --task summarize --param customer=acme',
            'One task, with the params of a run',
          ],
        ],
      )
        .argument('[pod]', 'Name of a running pod')
        .option(
          '-f, --file <file>',
          'Manifests to explain instead of a pod; repeatable; - reads standard input',
          collectValues,
        )
        .option(
          '--platform <file>',
          'With -f: platform settings. Offline: policies, namespaces and service accounts come from the files',
        )
        .option('-n, --namespace <namespace>', 'Namespace of the pod, or of manifests without one')
        .option('--task <name>', 'Explain only this task')
        .option('--param <name=value>', 'Param of the run; repeatable', parseKeyValue),
    ),
    { short: false },
  ).action((pod: string | undefined, options: Options) => runExplain(pod, options, shell));

const runExplain = async (
  pod: string | undefined,
  options: Options,
  shell: Shell,
): Promise<void> => {
  const { file: files = [], task, param = {}, platform } = options;
  if ((pod === undefined) === (files.length === 0)) {
    const got = pod === undefined ? 'neither' : 'both';
    throw createUsageError([{ path: 'explain', expected: 'a pod name or -f FILE', got }]);
  }
  if (pod !== undefined && platform !== undefined) {
    const expected = '-f FILE, because a running pod is read from the cluster';
    throw createUsageError([{ path: '--platform', expected, got: 'a pod name' }]);
  }
  const { pods, context } =
    pod === undefined
      ? await readFiles(files, options, shell)
      : await readLivePods(pod, options, shell);
  const request = { params: param, ...(task !== undefined && { task }) };
  const explained = [];
  for (const each of pods) explained.push(await explainPod(each, request, context));
  printResult(shell, buildExplainResult(explained), options.output);
};

type ExplainInput = { readonly pods: readonly PodToExplain[]; readonly context: ExplainContext };

const readLivePods = async (
  name: string,
  options: Options,
  shell: Shell,
): Promise<ExplainInput> => {
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
): Promise<ExplainInput> => {
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
