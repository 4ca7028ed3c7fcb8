import type { Pod } from '../../contract/pod.ts';
import { timely, type Kubernetes } from './client.ts';
import { asked } from './kubernetes-error.ts';

/** Pods of one answer: bounds what is held in memory. */
const PAGE = 200;

/**
 * Every pod of the cluster with this label selector, page by page.
 *
 * @throws KubernetesError
 */
export async function* listPods(
  { core }: Kubernetes,
  labelSelector: string,
): AsyncGenerator<Pod, void> {
  let next: string | undefined;
  do {
    const page = { limit: PAGE, ...(next !== undefined && { _continue: next }) };
    const call = () => core.listPodForAllNamespaces({ labelSelector, ...page }, timely());
    const answer = await asked(`list pods ${labelSelector}`, call);
    yield* answer.items as unknown as readonly Pod[];
    next = answer.metadata?._continue;
  } while (next);
}
