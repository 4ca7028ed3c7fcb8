import type { Pod } from '../../lib/contract/pod.ts';
import type { ReadPod } from '../../lib/identity/workload-identification.ts';
import { findTasksEnvValue } from '../../lib/injection/consumers.ts';
import { parsePod } from '../../lib/injection/pod-schema.ts';
import type { Caller } from '../../lib/exchange/caller.ts';
import { readAdmittedTasks } from '../../lib/task/admitted-tasks.ts';

/**
 * Roles that a run of this pod may be of, by what its sidecar was given. Where the pod cannot be
 * told any more, all that opt in: to deny one session too many costs a Revocation, no more.
 *
 * @returns throws KubernetesError
 */
export const createRunRoleReader =
  (read: ReadPod, all: readonly string[]) =>
  async ({ namespace, pod }: Caller): Promise<readonly string[]> => {
    const found = parsePod(await read({ namespace, name: pod.name }));
    if (!found.ok || found.value.metadata?.uid !== pod.uid) return all;
    return readDeclaredRoles(found.value) ?? all;
  };

const readDeclaredRoles = (pod: Pod): readonly string[] | undefined => {
  const admitted = readAdmittedTasks(findTasksEnvValue(pod)?.text ?? '');
  return admitted.ok ? admitted.value.tasks.map(({ role }) => role) : undefined;
};
