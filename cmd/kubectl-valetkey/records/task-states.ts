import type { Pod } from '../../../lib/contract/pod.ts';
import type { Task } from '../../../lib/contract/task.ts';
import { findTasksEnvValue, hasTaskDeclarations } from '../../../lib/injection/consumers.ts';
import { readAdmittedTasks } from '../../../lib/task/admitted-tasks.ts';
import type { LiveRun } from './live-runs.ts';
import type { ShownRecord } from './shown-records.ts';

/** A task of one container of a pod, and what the records say about its runs. */
export type TaskState = {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  readonly task: string;
  readonly provider: Task['provider'];
  readonly delivery: Task['delivery'];
  readonly role: string;
  readonly lifetimeSeconds: number;
  /** The newest live run. */
  readonly run?: Pick<LiveRun, 'run' | 'deadline'>;
  /** The newest record that states a reason: of a refusal, an end. */
  readonly last?: Pick<ShownRecord, 'kind' | 'code' | 'message' | 'at'>;
};

/** Records by the pod and task that they are about; of a pod's own UID, because a name is used again. */
export type RunHistory = {
  readonly runs: readonly LiveRun[];
  readonly records: readonly ShownRecord[];
};

/** Lists the admitted tasks of a pod, or `undefined` if it declares tasks that were not admitted. */
export const listTaskStates = (
  pod: Pod,
  { runs, records }: RunHistory,
): readonly TaskState[] | undefined => {
  const { namespace = '', name = '', uid = '' } = pod.metadata ?? {};
  const text = findTasksEnvValue(pod)?.text;
  const admitted = text === undefined ? undefined : readAdmittedTasks(text);
  if (admitted?.ok !== true) return hasTaskDeclarations(pod) ? undefined : [];
  return admitted.value.tasks.flatMap((task) =>
    task.containers.map((container): TaskState => {
      // A refusal before the container was known states none.
      const isOwn = (each: ShownRecord): boolean =>
        each.podUid === uid && each.task === task.name && ['', container].includes(each.consumer);
      const run = runs.find(isOwn);
      const last = records.findLast((each) => each.code !== '' && isOwn(each));
      const { provider, delivery, role, lifetimeSeconds } = task;
      return {
        namespace,
        pod: name,
        container,
        task: task.name,
        provider,
        delivery,
        role,
        lifetimeSeconds,
        ...(run && { run: { run: run.run, deadline: run.deadline } }),
        ...(last && {
          last: { kind: last.kind, code: last.code, message: last.message, at: last.at },
        }),
      };
    }),
  );
};
