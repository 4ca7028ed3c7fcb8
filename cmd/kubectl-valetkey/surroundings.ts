import type { Surroundings } from '../../lib/injection/surroundings.ts';
import type { Cluster } from './cluster.ts';
import type { Manifest } from './manifests.ts';

/** What stands around a pod, and who says how its namespace is labelled. */
export type ToldSurroundings = Surroundings & {
  readonly labelsFrom: 'files' | 'cluster' | 'nowhere';
};

/** Throws KubernetesError. */
export type ReadToldSurroundings = (pod: {
  readonly namespace: string;
  readonly serviceAccount: string;
}) => Promise<ToldSurroundings>;

export type SurroundingsSources = {
  /** Namespaces and service accounts among them count before those of the cluster. */
  readonly manifests: readonly Manifest[];
  /** Of service accounts that name none. */
  readonly namespace: string;
  /** Absent: none is asked. */
  readonly cluster?: Pick<Cluster, 'readNamespaceLabels' | 'readServiceAccount'>;
};

/** Reads what admission reads: from files that will be applied, else from the cluster. */
export const openSurroundings =
  (sources: SurroundingsSources): ReadToldSurroundings =>
  async ({ namespace, serviceAccount: name }) => {
    const [told, annotations] = await Promise.all([
      labelsOf(namespace, sources),
      annotationsOf({ namespace, name }, sources),
    ]);
    return { ...told, ...(annotations && { serviceAccount: { name, annotations } }) };
  };

const labelsOf = async (
  namespace: string,
  { manifests, cluster }: SurroundingsSources,
): Promise<Pick<ToldSurroundings, 'labels' | 'labelsFrom'>> => {
  for (const { content, name } of manifests) {
    if (content.type === 'namespace' && name === namespace) {
      return { labels: content.labels, labelsFrom: 'files' };
    }
  }
  const labels = await cluster?.readNamespaceLabels(namespace);
  return labels === undefined ? { labelsFrom: 'nowhere' } : { labels, labelsFrom: 'cluster' };
};

const annotationsOf = async (
  place: { readonly namespace: string; readonly name: string },
  { manifests, namespace, cluster }: SurroundingsSources,
): ReturnType<Cluster['readServiceAccount']> => {
  for (const { content, ...at } of manifests) {
    const isIts = at.name === place.name && (at.namespace ?? namespace) === place.namespace;
    if (content.type === 'serviceAccount' && isIts) return content.annotations;
  }
  return cluster?.readServiceAccount(place);
};
