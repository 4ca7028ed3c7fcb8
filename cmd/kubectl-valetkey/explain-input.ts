import type { Command } from 'commander';

import { createCatalogLoader } from '../../lib/catalog/catalog.ts';
import { collectValues, parseKeyValue, type OutputOptions, type Shell } from './command-line.ts';
import type { ClusterOptions } from './cluster.ts';
import {
  buildExplainContext,
  readExplainContext,
  type ExplainContext,
  type PodToExplain,
} from './explain-report.ts';
import { readManifestFiles, readManifestPods } from './file-pods.ts';
import { readLivePod } from './live-pod-reader.ts';
import { readPlatformFile } from './platform-settings.ts';
import { createUsageError } from './tool-error.ts';

/** Options of a command about a running pod, or about pods in manifests. */
export type ExplainOptions = ClusterOptions &
  OutputOptions & {
    readonly file?: readonly string[];
    /** Settings file; absent: read from the cluster. */
    readonly platform?: string;
    readonly namespace?: string;
    readonly task?: string;
    readonly param?: Readonly<Record<string, string>>;
  };

/** Adds the pod and the options of {@link ExplainOptions}, without those of cluster and output. */
export const withExplainInput = (command: Command): Command =>
  command
    .argument('[pod]', 'Name of a running pod')
    .option(
      '-f, --file <file>',
      'Manifests instead of a pod; repeatable; - reads standard input',
      collectValues,
    )
    .option(
      '--platform <file>',
      'With -f: platform settings. Offline: policies, namespaces and service accounts come from the files',
    )
    .option('-n, --namespace <namespace>', 'Namespace of the pod, or of manifests without one')
    .option('--task <name>', 'Only this task')
    .option('--param <name=value>', 'Param of the run; repeatable', parseKeyValue);

/** Pods, and what is the same for each. */
export type ExplainInput = {
  readonly pods: readonly PodToExplain[];
  readonly context: ExplainContext;
};

/**
 * Reads the running pod, or the pods of the files.
 *
 * @param command its name, for errors of usage
 * @throws ToolError, KubernetesError
 */
export const readExplainInput = async (
  command: string,
  { pod, options }: { readonly pod: string | undefined; readonly options: ExplainOptions },
  shell: Shell,
): Promise<ExplainInput> => {
  const { file: files = [], platform } = options;
  if ((pod === undefined) === (files.length === 0)) {
    const got = pod === undefined ? 'neither' : 'both';
    throw createUsageError([{ path: command, expected: 'a pod name or -f FILE', got }]);
  }
  if (pod !== undefined && platform !== undefined) {
    const expected = '-f FILE, because a running pod is read from the cluster';
    throw createUsageError([{ path: '--platform', expected, got: 'a pod name' }]);
  }
  return pod === undefined ? readFiles(files, options, shell) : readLivePods(pod, options, shell);
};

const readLivePods = async (
  name: string,
  options: ExplainOptions,
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
  options: ExplainOptions,
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
  const context = await readExplainContext(cluster, buildContextDefaults(shell), manifests);
  const sources = { manifests, namespace: options.namespace ?? cluster.namespace, cluster };
  return { context, pods: await readManifestPods(paths, sources, context) };
};
