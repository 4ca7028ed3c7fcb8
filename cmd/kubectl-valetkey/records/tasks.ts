import type { Command } from 'commander';

import type { CommandResult } from '../command-result.ts';
import type { ClusterClient, ClusterOptions } from '../cluster.ts';
import {
  newCommand,
  printResult,
  withCluster,
  withNamespaces,
  withOutput,
  type NamespacesOptions,
  type OutputOptions,
  type Shell,
} from '../command-line.ts';
import { createRecordsReader } from './shown-records.ts';
import { readLiveRuns } from './live-runs.ts';
import type { Io } from '../io.ts';
import { readClusterPlatform } from '../platform-settings.ts';
import { formatAge, renderTable } from '../table.ts';
import { listTaskStates, type RunHistory, type TaskState } from './task-states.ts';

type Options = ClusterOptions & OutputOptions & NamespacesOptions;

/** `tasks` */
export const createTasksCommand = (shell: Shell): Command =>
  withCluster(
    withOutput(
      withNamespaces(
        newCommand('tasks', 'List the tasks of pods, with their live run and last reason', [
          ['kubectl valetkey tasks -n research', 'The tasks of a namespace'],
          ['kubectl valetkey tasks -A -o json', 'Those of every namespace, for scripts'],
        ]),
      ),
    ),
    { short: false },
  ).action(async (options: Options) => {
    const { io } = shell;
    const cluster = io.createClusterClient(options);
    const history = await readHistory(cluster, io);
    const namespace = options.allNamespaces ? undefined : (options.namespace ?? cluster.namespace);
    const tasks: TaskState[] = [];
    const notAdmitted: string[] = [];
    for await (const pod of cluster.listPods(namespace)) {
      const found = listTaskStates(pod, history);
      if (found !== undefined) tasks.push(...found);
      else notAdmitted.push(`${pod.metadata?.namespace ?? ''}/${pod.metadata?.name ?? ''}`);
    }
    const result = buildTasksResult({ tasks, notAdmitted, problems: history.problems }, io.now());
    printResult(shell, result, options.output);
  });

type History = RunHistory & { readonly problems: readonly string[] };

/** Under `trust: cluster` there are no records. */
const readHistory = async (cluster: ClusterClient, { now }: Io): Promise<History> => {
  const { trust } = await readClusterPlatform(cluster);
  if (trust === 'cluster') return { runs: [], records: [], problems: [] };
  const readRecords = createRecordsReader(cluster, { now, monotonic: now });
  const [{ records, problems }, { runs }] = await Promise.all([
    readRecords(),
    readLiveRuns({ cluster, readRecords, now }),
  ]);
  return { records, runs, problems };
};

type Found = {
  readonly tasks: readonly TaskState[];
  readonly notAdmitted: readonly string[];
  readonly problems: readonly string[];
};

/** Output of `tasks`. A pod whose tasks were not admitted is a problem; what could not be read hides nothing else. */
const buildTasksResult = ({ tasks, notAdmitted, problems }: Found, now: number): CommandResult => ({
  isHealthy: notAdmitted.length === 0,
  isDecided: problems.length === 0,
  lines: [
    ...(tasks.length === 0
      ? ['No tasks found.']
      : renderTable(
          HEADER,
          tasks.map((task) => toRow(task, now)),
        )),
    ...notAdmitted.map(
      (pod) =>
        `Pod ${pod}: its tasks were not admitted: the webhook did not inject it; create it again`,
    ),
    ...problems.map((problem) => `Not read: ${problem}`),
  ],
  json: { tasks: tasks.map(describeTask), notAdmitted, problems },
});

const HEADER = [
  ...['NAMESPACE', 'POD', 'CONTAINER', 'TASK', 'PROVIDER', 'DELIVERY', 'ROLE', 'LIFETIME'],
  ...['LIVE RUN', 'LAST REASON'],
];

const toRow = (task: TaskState, now: number): readonly string[] => [
  ...[task.namespace, task.pod, task.container, task.task, task.provider, task.delivery],
  ...[task.role, formatAge(task.lifetimeSeconds * 1000)],
  task.run === undefined ? '-' : `${task.run.run} (${formatAge(task.run.deadline - now)})`,
  task.last === undefined ? '-' : `${task.last.code} ${formatAge(now - task.last.at)} ago`,
];

const describeTask = ({ run, last, ...task }: TaskState) => ({
  ...task,
  ...(run && { run: { ...run, deadline: new Date(run.deadline).toISOString() } }),
  ...(last && { last: { ...last, at: new Date(last.at).toISOString() } }),
});
