import type { Pod } from '../../lib/contract/pod.ts';
import type { ReadPod } from '../../lib/identity/identification.ts';
import { givenTasks } from '../../lib/injection/consumers.ts';
import { readPod } from '../../lib/injection/pod-shape.ts';
import type { Claimant } from '../../lib/issuing/caller.ts';
import { readAdmittedTasks } from '../../lib/task/admitted.ts';

/**
 * Roles that a run of this pod may be of, by what its sidecar was given. Where the pod cannot be
 * told any more, all that opt in: to deny one session too many costs a Revocation, no more.
 *
 * @returns throws KubernetesError
 */
export const openRunRoles =
  (read: ReadPod, all: readonly string[]) =>
  async ({ namespace, pod }: Claimant): Promise<readonly string[]> => {
    const found = readPod(await read({ namespace, name: pod.name }));
    if (!found.ok || found.value.metadata?.uid !== pod.uid) return all;
    return rolesOf(found.value) ?? all;
  };

const rolesOf = (pod: Pod): readonly string[] | undefined => {
  const admitted = readAdmittedTasks(givenTasks(pod)?.text ?? '');
  return admitted.ok ? admitted.value.tasks.map(({ role }) => role) : undefined;
};
