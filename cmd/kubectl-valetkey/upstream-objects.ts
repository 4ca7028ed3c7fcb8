import type { Upstreams } from '../../lib/policy/upstream-pairs.ts';
import { parseStoredUpstreams } from '../../lib/upstreams/stored-upstreams.ts';
import type { ClusterClient } from './cluster.ts';
import type { Manifest } from './manifests.ts';

const listStored = (manifests: readonly Manifest[]): readonly object[] =>
  manifests.flatMap(({ content }) => (content.type === 'upstream' ? [content.stored] : []));

/** The Upstreams of files; undefined if they contain none. */
export const findFileUpstreams = (manifests: readonly Manifest[]): Upstreams | undefined => {
  const stored = listStored(manifests);
  return stored.length === 0 ? undefined : parseStoredUpstreams(stored);
};

/**
 * The cluster's Upstreams as they will be after the files are applied.
 *
 * @throws KubernetesError
 */
export const readAppliedUpstreams = async (
  manifests: readonly Manifest[],
  cluster: Pick<ClusterClient, 'listUpstreams'>,
): Promise<Upstreams> =>
  parseStoredUpstreams([...(await cluster.listUpstreams()), ...listStored(manifests)]);
