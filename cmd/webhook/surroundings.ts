import type { Log } from '../../lib/contract/log.ts';
import type { ReadServiceAccount } from '../../lib/edge/kubernetes/service-accounts.ts';
import type { ReadNamespaceLabels } from '../../lib/identity/identification.ts';
import type { ReadSurroundings } from '../../lib/injection/surroundings.ts';
import { errorFields } from './error-fields.ts';

export type SurroundingsEdges = {
  /** Both throw where the API server cannot be asked. */
  readonly readNamespaceLabels: ReadNamespaceLabels;
  readonly readServiceAccount: ReadServiceAccount;
  readonly log: Log;
};

/** Labels that cannot be read excuse nothing; of an account that cannot be read nobody knows enough. */
export const openSurroundings = ({
  readNamespaceLabels,
  readServiceAccount,
  log,
}: SurroundingsEdges): ReadSurroundings => {
  const unread = (what: string) => (error: unknown) => {
    log.warn('surroundings not read', { what, ...errorFields(error) });
    return 'unknown' as const;
  };
  return async ({ namespace, serviceAccount: name }) => {
    const [labels, annotations] = await Promise.all([
      readNamespaceLabels(namespace).catch(unread('namespace')),
      readServiceAccount({ namespace, name }).catch(unread('service account')),
    ]);
    if (annotations === 'unknown') return undefined;
    return {
      ...(labels !== undefined && labels !== 'unknown' && { labels }),
      ...(annotations && { serviceAccount: { name, annotations } }),
    };
  };
};
