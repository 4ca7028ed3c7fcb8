import type { Command } from 'commander';

import { openCatalogue } from '../../lib/catalogue/catalogue.ts';
import {
  keyValue,
  newCommand,
  several,
  tell,
  withCluster,
  withOutput,
  type OutputOptions,
  type Shell,
} from './command-line.ts';
import type { ClusterOptions } from './cluster.ts';
import { explainAnswer } from './explain-view.ts';
import { explainPod, groundIn, readGround, type Ground, type PodToExplain } from './explaining.ts';
import { manifestsIn, podsIn } from './file-pods.ts';
import { readLivePod } from './live-pod.ts';
import { platformIn } from './platform.ts';
import { wrongUsage } from './tool-error.ts';

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
export const explainCommand = (shell: Shell): Command =>
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
          several,
        )
        .option(
          '--platform <file>',
          "with -f: the platform's settings; no cluster is asked, policies, namespaces and service accounts are those of the files",
        )
        .option('-n, --namespace <namespace>', 'of the pod, or of a manifest that names none')
        .option('--task <name>', 'this task alone')
        .option('--param <name=value>', 'a param of the run; several times', keyValue)
        .option('--purpose <text>', 'purpose of the run'),
    ),
    { short: false },
  ).action((pod: string | undefined, options: Options) => explain(pod, options, shell));

const explain = async (pod: string | undefined, options: Options, shell: Shell): Promise<void> => {
  const { file: files = [], task, param = {}, purpose, platform } = options;
  if ((pod === undefined) === (files.length === 0)) {
    const got = pod === undefined ? 'neither' : 'both';
    throw wrongUsage([{ path: 'explain', expected: 'the name of a pod, or -f FILE', got }]);
  }
  if (pod !== undefined && platform !== undefined) {
    const expected = "-f FILE beside it: a live pod is the cluster's";
    throw wrongUsage([{ path: '--platform', expected, got: 'a pod' }]);
  }
  const { pods, ground } =
    pod === undefined
      ? await readFiles(files, options, shell)
      : await readLive(pod, options, shell);
  const wish = {
    params: param,
    ...(task !== undefined && { task }),
    ...(purpose !== undefined && { purpose }),
  };
  const explained = [];
  for (const each of pods) explained.push(await explainPod(each, wish, ground));
  tell(shell, explainAnswer(explained), options.output);
};

type Subjects = { readonly pods: readonly PodToExplain[]; readonly ground: Ground };

const readLive = async (name: string, options: Options, shell: Shell): Promise<Subjects> => {
  const cluster = shell.edges.openCluster(options);
  const ground = await readGround(cluster, restOf(shell));
  const namespace = options.namespace ?? cluster.namespace;
  return { ground, pods: [await readLivePod({ namespace, name }, cluster, ground)] };
};

const restOf = ({ edges }: Shell): Pick<Ground, 'loadCatalogue' | 'now'> => ({
  loadCatalogue: openCatalogue(),
  now: edges.now(),
});

const readFiles = async (
  paths: readonly string[],
  options: Options,
  shell: Shell,
): Promise<Subjects> => {
  const { edges } = shell;
  const manifests = await manifestsIn(paths, edges);
  if (options.platform !== undefined) {
    const platform = await platformIn(edges, options.platform);
    const ground = groundIn(manifests, { ...restOf(shell), platform });
    const sources = { manifests, namespace: options.namespace ?? 'default' };
    return { ground, pods: await podsIn(paths, sources, ground) };
  }
  const cluster = edges.openCluster(options);
  const ground = await readGround(cluster, restOf(shell));
  const sources = { manifests, namespace: options.namespace ?? cluster.namespace, cluster };
  return { ground, pods: await podsIn(paths, sources, ground) };
};
