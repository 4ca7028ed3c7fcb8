import type { Pod } from '../../contract/pod.ts';
import { buildCallOptions, type KubernetesClient } from './kubernetes-client.ts';
import { callKubernetes } from './kubernetes-error.ts';

/** Pods of one answer: bounds what is held in memory. */
const PAGE_SIZE = 200;

/**
 * Every pod of the cluster with this label selector, page by page.
 *
 * @throws KubernetesError
 */
export async function* listPods(
  { core }: KubernetesClient,
  labelSelector: string,
): AsyncGenerator<Pod, void> {
  let next: string | undefined;
  do {
    const page = { limit: PAGE_SIZE, ...(next !== undefined && { _continue: next }) };
    const call = () => core.listPodForAllNamespaces({ labelSelector, ...page }, buildCallOptions());
    const answer = await callKubernetes(`list pods ${labelSelector}`, call);
    yield* answer.items as unknown as readonly Pod[];
    next = answer.metadata?._continue;
  } while (next);
}
