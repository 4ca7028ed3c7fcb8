import type { PodContext } from '../../lib/injection/pod-context.ts';
import type { ClusterClient } from './cluster.ts';
import type { Manifest } from './manifests.ts';

/** What stands around a pod, and who says how its namespace is labelled. */
export type SourcedPodContext = PodContext & {
  readonly labelsFrom: 'files' | 'cluster' | 'nowhere';
};

/** Throws KubernetesError. */
export type ReadSourcedPodContext = (pod: {
  readonly namespace: string;
  readonly serviceAccount: string;
}) => Promise<SourcedPodContext>;

export type PodContextSources = {
  /** Namespaces and service accounts among them count before those of the cluster. */
  readonly manifests: readonly Manifest[];
  /** Of service accounts that name none. */
  readonly namespace: string;
  /** Absent: none is asked. */
  readonly cluster?: Pick<ClusterClient, 'readNamespaceLabels' | 'readServiceAccount'>;
};

/** Reads what admission reads: from files that will be applied, else from the cluster. */
export const createPodContextReader =
  (sources: PodContextSources): ReadSourcedPodContext =>
  async ({ namespace, serviceAccount: name }) => {
    const [namespaceLabels, annotations] = await Promise.all([
      findLabels(namespace, sources),
      findAnnotations({ namespace, name }, sources),
    ]);
    return { ...namespaceLabels, ...(annotations && { serviceAccount: { name, annotations } }) };
  };

const findLabels = async (
  namespace: string,
  { manifests, cluster }: PodContextSources,
): Promise<Pick<SourcedPodContext, 'labels' | 'labelsFrom'>> => {
  for (const { content, name } of manifests) {
    if (content.type === 'namespace' && name === namespace) {
      return { labels: content.labels, labelsFrom: 'files' };
    }
  }
  const labels = await cluster?.readNamespaceLabels(namespace);
  return labels === undefined ? { labelsFrom: 'nowhere' } : { labels, labelsFrom: 'cluster' };
};

const findAnnotations = async (
  place: { readonly namespace: string; readonly name: string },
  { manifests, namespace, cluster }: PodContextSources,
): ReturnType<ClusterClient['readServiceAccount']> => {
  for (const { content, ...at } of manifests) {
    const isIts = at.name === place.name && (at.namespace ?? namespace) === place.namespace;
    if (content.type === 'serviceAccount' && isIts) return content.annotations;
  }
  return cluster?.readServiceAccount(place);
};
