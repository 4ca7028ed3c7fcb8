import type { Pod } from '../../contract/pod.ts';
import type { ApiClient } from './api-client.ts';
import { buildCallOptions, type KubernetesClient } from './kubernetes-client.ts';
import { callKubernetes, KubernetesError } from './kubernetes-error.ts';

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

/** Metadata only: a pod has ten times as much. */
const METADATA_KIND = 'PartialObjectMetadataList';
const METADATA_LIST = `application/json;as=${METADATA_KIND};g=meta.k8s.io;v=v1`;
const METADATA_PAGE_SIZE = 500;
/** A pod on a lost node keeps its phase; it should have been gone at the time of its deletion. */
const OVERDUE_MS = 30_000;

type PodMetadata = { readonly uid?: string; readonly deletionTimestamp?: string };
type MetadataPage = {
  readonly kind?: string;
  /** The API server sends null for none. */
  readonly items?: readonly { readonly metadata?: PodMetadata }[] | null;
  readonly metadata?: { readonly continue?: string };
};

/**
 * Creates what lists the UIDs of all pods in the cluster that match the label selector and have not ended: neither
 * `Succeeded` nor `Failed`, nor overdue to be gone.
 *
 * @returns throws KubernetesError
 */
export const createRunningPodLister =
  (calls: ApiClient, { labelSelector, now }: { labelSelector: string; now: () => number }) =>
  async (): Promise<ReadonlySet<string>> => {
    const uids = new Set<string>();
    let next = '';
    do {
      const query = new URLSearchParams({
        labelSelector,
        fieldSelector: 'status.phase!=Succeeded,status.phase!=Failed',
        limit: String(METADATA_PAGE_SIZE),
        ...(next !== '' && { continue: next }),
      });
      const path = `/api/v1/pods?${query.toString()}`;
      const listed = await calls('list running pods', {
        method: 'GET',
        path,
        accept: METADATA_LIST,
      });
      const { kind, items, metadata } = listed as MetadataPage;
      if (kind !== METADATA_KIND) {
        const reason = `expected a ${METADATA_KIND}`;
        throw new KubernetesError('unavailable', 'list running pods', { reason });
      }
      for (const { metadata: { uid, deletionTimestamp } = {} } of items ?? []) {
        const isOverdue =
          deletionTimestamp !== undefined && Date.parse(deletionTimestamp) + OVERDUE_MS < now();
        if (uid !== undefined && !isOverdue) uids.add(uid);
      }
      next = metadata?.continue ?? '';
    } while (next !== '');
    return uids;
  };
