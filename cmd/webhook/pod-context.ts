import type { Log } from '../../lib/contract/log.ts';
import type { ReadServiceAccount } from '../../lib/edge/kubernetes/service-accounts.ts';
import type { ReadNamespaceLabels } from '../../lib/identity/workload-identification.ts';
import type { ReadPodContext } from '../../lib/injection/pod-context.ts';
import { toErrorFields } from '../../lib/server/error-fields.ts';

export type PodContextDeps = {
  /** Both throw if the API server does not answer. */
  readonly readNamespaceLabels: ReadNamespaceLabels;
  readonly readServiceAccount: ReadServiceAccount;
  readonly log: Log;
};

/**
 * Without readable labels nothing is exempted. Without a readable service account there is no
 * decision.
 */
export const createPodContextReader = ({
  readNamespaceLabels,
  readServiceAccount,
  log,
}: PodContextDeps): ReadPodContext => {
  const logUnread = (what: string) => (error: unknown) => {
    log.warn('pod context not read', { what, ...toErrorFields(error) });
    return 'unknown' as const;
  };
  return async ({ namespace, serviceAccount: name }) => {
    const [labels, annotations] = await Promise.all([
      readNamespaceLabels(namespace).catch(logUnread('namespace')),
      readServiceAccount({ namespace, name }).catch(logUnread('service account')),
    ]);
    if (annotations === 'unknown') return undefined;
    return {
      ...(labels !== undefined && labels !== 'unknown' && { labels }),
      ...(annotations && { serviceAccount: { name, annotations } }),
    };
  };
};
