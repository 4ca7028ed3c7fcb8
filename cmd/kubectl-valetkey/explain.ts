import type { Command } from 'commander';

import { openCatalogue } from '../../lib/catalogue/catalogue.ts';
import {
  keyValue,
  newCommand,
  tell,
  withCluster,
  withOutput,
  type OutputOptions,
  type Shell,
} from './command-line.ts';
import type { ClusterOptions } from './cluster.ts';
import { explainAnswer } from './explain-view.ts';
import {
  explainPod,
  readGround,
  readLivePod,
  type Ground,
  type ReadTasksOf,
} from './explaining.ts';
import { nameOf, readText } from './files.ts';
import { readManifests } from './manifests.ts';
import { judgeNewPod } from './new-pod.ts';
import { foundWrong, wrongUsage } from './tool-error.ts';

type Options = ClusterOptions &
  OutputOptions & {
    readonly file?: string;
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
            'kubectl valetkey explain agent-7 -n research --task summarize --param customer=acme',
            'one task, with the params of one run',
          ],
        ],
      )
        .argument('[pod]', 'a live pod')
        .option('-f, --file <file>', 'a manifest instead; - is standard input')
        .option('-n, --namespace <namespace>', 'of the pod, or of a manifest that names none')
        .option('--task <name>', 'this task alone')
        .option('--param <name=value>', 'a param of the run; several times', keyValue)
        .option('--purpose <text>', 'purpose of the run'),
    ),
    { short: false },
  ).action((pod: string | undefined, options: Options) => explain(pod, options, shell));

const explain = async (pod: string | undefined, options: Options, shell: Shell): Promise<void> => {
  const { file, task, param = {}, purpose } = options;
  if ((pod === undefined) === (file === undefined)) {
    const got = pod === undefined ? 'neither' : 'both';
    throw wrongUsage([{ path: 'explain', expected: 'the name of a pod, or -f FILE', got }]);
  }
  const cluster = shell.edges.openCluster(options);
  const namespace = options.namespace ?? cluster.namespace;
  const rest = { loadCatalogue: openCatalogue(), now: shell.edges.now() };
  const ground = await readGround(cluster, rest);
  const pods =
    file === undefined
      ? [await readLivePod({ namespace, name: pod ?? '' }, ground)]
      : await readFilePods(file, namespace, { shell, ground });
  const wish = {
    params: param,
    ...(task !== undefined && { task }),
    ...(purpose !== undefined && { purpose }),
  };
  const explained = [];
  for (const each of pods) explained.push(await explainPod(each, wish, ground));
  tell(shell, explainAnswer(explained), options.output);
};

/** The pods of a manifest that are ours, as admission would judge them. */
const readFilePods = async (
  path: string,
  fallback: string,
  { shell, ground }: { readonly shell: Shell; readonly ground: Ground },
): Promise<readonly ReadTasksOf[]> => {
  const manifests = readManifests(await readText(shell.edges, path));
  const unreadable = manifests.flatMap(({ content }) =>
    content.type === 'unreadable' ? content.faults : [],
  );
  if (unreadable.length > 0) {
    throw foundWrong(unreadable.map((fault) => ({ ...fault, source: nameOf(path) })));
  }
  const pods: ReadTasksOf[] = [];
  for (const { content, kind, name, namespace = fallback } of manifests) {
    if (content.type !== 'pod') continue;
    const judged = await judgeNewPod(content.pod, { ...ground, namespace });
    if (judged !== undefined)
      pods.push({ pod: kind === 'Pod' ? name : `${kind}/${name}`, ...judged });
  }
  if (pods.length > 0) return pods;
  const expected = 'a pod, or a template of one, that declares a task';
  throw foundWrong([{ path: nameOf(path), expected, got: 'none' }]);
};
