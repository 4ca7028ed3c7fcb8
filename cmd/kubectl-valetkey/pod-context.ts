import type { PodContext } from '../../lib/injection/pod-context.ts';
import type { ClusterClient } from './cluster.ts';
import type { Manifest } from './manifests.ts';

/** Context of a pod, and the source of its namespace's labels. */
export type SourcedPodContext = PodContext & {
  readonly labelsFrom: 'files' | 'cluster' | 'unknown';
};

/** Reads the context of a pod. Throws KubernetesError. */
export type ReadSourcedPodContext = (pod: {
  readonly namespace: string;
  readonly serviceAccount: string;
}) => Promise<SourcedPodContext>;

export type PodContextSources = {
  /** Namespaces and service accounts in them take precedence over those of the cluster. */
  readonly manifests: readonly Manifest[];
  /** Namespace for service accounts without one. */
  readonly namespace: string;
  /** Absent: offline. */
  readonly cluster?: Pick<ClusterClient, 'readNamespaceLabels' | 'readServiceAccount'>;
};

/** Creates a reader of the pod context that admission reads: from the files, else from the cluster. */
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
  return labels === undefined ? { labelsFrom: 'unknown' } : { labels, labelsFrom: 'cluster' };
};

const findAnnotations = async (
  account: { readonly namespace: string; readonly name: string },
  { manifests, namespace, cluster }: PodContextSources,
): ReturnType<ClusterClient['readServiceAccount']> => {
  for (const { content, ...object } of manifests) {
    const isMatch =
      object.name === account.name && (object.namespace ?? namespace) === account.namespace;
    if (content.type === 'serviceAccount' && isMatch) return content.annotations;
  }
  return cluster?.readServiceAccount(account);
};
