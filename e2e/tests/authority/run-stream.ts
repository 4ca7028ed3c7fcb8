import { readFileSync } from 'node:fs';
import { waitFor } from '../../../test/kit/retry.ts';
import { runKubectl } from '../../cluster/kubectl.ts';
import { cluster, readReports, runPod } from '../test-context.ts';
import { readConsumerLines } from './revocation-objects.ts';
import type { ConsumerLine } from './revocation-objects.ts';

/** What became of one run: started, used once, completed; or not started, and why. */
export type RunAnswer = {
  status: number;
  run?: string;
  /** The cloud's status for an object in scope, then the sidecar's for the completion. */
  cloud?: number;
  ended?: number;
  code?: string;
  retryAfter?: string;
};

const POD_COUNT = 2;

/** Pods that start, use and complete one run after another, until the stream ends. */
export const startRunStream = (namespace: string) => {
  const earlier: (RunAnswer & ConsumerLine)[] = [];
  let generation = 0;
  let pods: string[] = [];

  const told = async () => {
    const all = await Promise.all(
      pods.map((pod) => readConsumerLines<RunAnswer>({ namespace, pod })),
    );
    return all;
  };
  const start = async (): Promise<void> => {
    generation += 1;
    pods = Array.from({ length: POD_COUNT }, (_, index) => `stream-${generation}-${index}`);
    const command = ['stream', 'read', 'acme-data', 'reports/q3.csv'];
    const plan = { namespace, tasks: { read: readReports }, command };
    await Promise.all(pods.map((name) => runPod({ name, ...plan })));
  };
  /** Their logs go with them. */
  const keep = async (): Promise<string[]> => {
    earlier.push(...(await told()).flat());
    return pods;
  };
  return {
    start,
    /** Waits until each of its pods has used so many runs more. */
    more: async (count: number): Promise<void> => {
      const used = async () =>
        (await told()).map((lines) => lines.filter(({ cloud }) => cloud === 200).length);
      const goals = (await used()).map((number) => number + count);
      const what = `${count} more runs of each of ${pods.join(' and ')}`;
      await waitFor(what, async () =>
        (await used()).every((number, index) => number >= (goals[index] ?? Infinity)),
      );
    },
    /** The next pods run before the last ones end. */
    replace: async (): Promise<void> => {
      const last = pods;
      await start();
      const next = pods;
      pods = last;
      await deletePods(namespace, await keep());
      pods = next;
    },
    /** Every answer that its pods were given. */
    end: async (): Promise<(RunAnswer & ConsumerLine)[]> => {
      await deletePods(namespace, await keep());
      pods = [];
      return earlier;
    },
  };
};

/** What is said between the last look and the end is lost: a run too many on record is allowed. */
const deletePods = (namespace: string, pods: string[]) =>
  runKubectl(cluster, ['delete', 'pods', ...pods, '-n', namespace, '--wait=false']);

type RecordLine = { session?: { uid?: string }; unmapped?: { kind?: string } };

/** Runs whose intent and whose issue stand in these files, in that order. */
export const listRecordedRuns = (files: string[]): Set<string> => {
  const intended = new Set<string>();
  const issued = new Set<string>();
  for (const line of files.flatMap((file) => readFileSync(file, 'utf8').split('\n'))) {
    if (!line.endsWith('}')) continue;
    const { session, unmapped } = JSON.parse(line) as RecordLine;
    const run = session?.uid ?? '';
    if (unmapped?.kind === 'run.intent') intended.add(run);
    if (unmapped?.kind === 'run.issued' && intended.has(run)) issued.add(run);
  }
  return issued;
};
