import type { Command } from 'commander';

import { createRecordsReader } from './shown-records.ts';
import { readLiveRuns, type LiveRunsData } from './live-runs.ts';
import type { CommandResult } from '../command-result.ts';
import type { ClusterOptions } from '../cluster.ts';
import {
  newCommand,
  printResult,
  withCluster,
  withOutput,
  type OutputOptions,
  type Shell,
} from '../command-line.ts';
import { formatAge, renderTable } from '../table.ts';
import { matchesWorkload, withWorkloadFilter, type WorkloadFilter } from './record-filter.ts';

/** `runs` */
export const createRunsCommand = (shell: Shell): Command =>
  withCluster(
    withOutput(
      withWorkloadFilter(
        newCommand('runs', "List live runs, from the records in the authority's logs", [
          ['kubectl valetkey runs -n research', 'The runs of a namespace'],
          ['kubectl valetkey runs --task summarize -o json', 'Those of one task, for scripts'],
        ]),
      ),
    ),
    { short: false },
  ).action(async (options: ClusterOptions & OutputOptions & WorkloadFilter) => {
    const { io } = shell;
    const cluster = io.createClusterClient(options);
    const now = io.now();
    const clocks = { now: io.now, monotonic: io.now };
    const readRecords = createRecordsReader(cluster, clocks);
    const data = await readLiveRuns({ cluster, readRecords, now: io.now });
    const runs = data.runs.filter((run) => matchesWorkload(options, run));
    printResult(shell, buildRunsResult({ ...data, runs }, now), options.output);
  });

/** Output of `runs`. What could not be read does not hide the rest. */
const buildRunsResult = (
  { runs, knownSince, problems }: LiveRunsData,
  now: number,
): CommandResult => {
  const rows = runs.map((run) => [
    ...[run.namespace, run.pod, run.consumer, run.task, run.run],
    formatAge(run.deadline - now),
    run.user,
  ]);
  const header = ['NAMESPACE', 'POD', 'CONTAINER', 'TASK', 'RUN', 'ENDS IN', 'USER'];
  const since = new Date(knownSince).toISOString();
  return {
    isHealthy: true,
    isDecided: problems.length === 0,
    lines: [
      ...(rows.length === 0 ? ['No live runs are known.'] : renderTable(header, rows)),
      '',
      `From records since ${since}; runs that started earlier may be missing.`,
      ...problems.map((problem) => `Not read: ${problem}`),
    ],
    json: { knownSince: since, problems, runs: runs.map(describeRun) },
  };
};

const describeRun = (run: LiveRunsData['runs'][number]) => ({
  run: run.run,
  namespace: run.namespace,
  pod: run.pod,
  podUid: run.podUid,
  serviceAccount: run.serviceAccount,
  container: run.consumer,
  task: run.task,
  ...(run.user !== '' && { user: run.user }),
  startedAt: new Date(run.at).toISOString(),
  deadline: new Date(run.deadline).toISOString(),
  actions: run.actions,
  resources: run.resources,
});
