import type { Pod } from '../../contract/pod.ts';
import { buildCallOptions, type KubernetesClient } from './kubernetes-client.ts';
import { callKubernetes } from './kubernetes-error.ts';

/** Pods of one response; limits memory. */
export const PAGE_SIZE = 200;

/**
 * Lists all pods in the cluster that match the label selector, page by page.
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
    const response = await callKubernetes(`list pods ${labelSelector}`, call);
    yield* response.items as unknown as readonly Pod[];
    next = response.metadata?._continue;
  } while (next);
}
