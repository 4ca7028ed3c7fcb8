import type { Platform } from '../../../lib/contract/platform.ts';
import type { Pod } from '../../../lib/contract/pod.ts';
import type { Task } from '../../../lib/contract/task.ts';
import { findTasksEnvValue } from '../../../lib/injection/consumers.ts';
import { getServiceAccountName } from '../../../lib/injection/pod-context.ts';
import { readAdmittedTasks } from '../../../lib/task/admitted-tasks.ts';
import { toMapping } from '../../../lib/schema/mapping.ts';
import { explainFixedKey } from '../fixed-key.ts';
import { formatKey, type TaskKey } from './recorded-usage.ts';

/** A task as pods of one service account declare it. Another declaration of the same name is another one. */
export type DeclaredTask = TaskKey & {
  readonly declaration: Task;
  /** Names of the first pods. */
  readonly pods: string[];
  podCount: number;
  /** When the oldest of these pods was created, in milliseconds since the epoch; NaN: unknown. */
  oldestPodAt: number;
};

export type DeclaredTasks = {
  readonly tasks: readonly DeclaredTask[];
  /** `<namespace>/<name>` of pods whose UID is a key of their clients. */
  readonly fixedKeyPods: readonly string[];
};

const MAX_NAMES = 3;

/** Reads what admission accepted for the pods of a cluster, running or not. */
export const readDeclaredTasks = async (
  pods: AsyncIterable<Pod>,
  platform: Platform,
): Promise<DeclaredTasks> => {
  const tasks = new Map<string, DeclaredTask>();
  const fixedKeyPods: string[] = [];
  for await (const pod of pods) {
    const { namespace = '', name = '' } = pod.metadata ?? {};
    const admitted = readAdmittedTasks(findTasksEnvValue(pod)?.text ?? '');
    if (!admitted.ok) continue;
    const { tasks: own } = admitted.value;
    for (const task of own) addPod(tasks, task, pod);
    const hasClients = own.some(({ provider }) => provider === 'http');
    if (hasClients && hasFixedKey(pod, { platform, namespace, tasks: own })) {
      fixedKeyPods.push(`${namespace}/${name}`);
    }
  }
  const sorted = [...tasks].sort(([one], [other]) => (one < other ? -1 : 1));
  return { tasks: sorted.map(([, task]) => task), fixedKeyPods: fixedKeyPods.toSorted() };
};

const hasFixedKey = (...given: Parameters<typeof explainFixedKey>): boolean =>
  explainFixedKey(...given).fixedKeyObstacle === undefined;

const addPod = (tasks: Map<string, DeclaredTask>, declaration: Task, pod: Pod): void => {
  const { namespace = '', name = '' } = pod.metadata ?? {};
  const owner = { namespace, serviceAccount: getServiceAccountName(pod), task: declaration.name };
  const key = `${formatKey(owner)} ${JSON.stringify(declaration)}`;
  const createdAt = Date.parse(String(toMapping(pod.metadata)['creationTimestamp']));
  const known = tasks.get(key) ?? {
    ...owner,
    declaration,
    pods: [],
    podCount: 0,
    oldestPodAt: createdAt,
  };
  tasks.set(key, known);
  known.podCount += 1;
  known.oldestPodAt = Math.min(known.oldestPodAt, createdAt);
  if (known.pods.length < MAX_NAMES) known.pods.push(name);
};
