import type { UsedTokenLease, UsedTokenLeases } from '../../identity/token-replay.ts';
import type { ApiClient } from './api-client.ts';
import { recoverFrom } from './kubernetes-error.ts';

const USED_TOKEN_LABEL = 'valetkey.dev/used-token';
/** Leases of one answer: bounds what is held in memory. */
const PAGE_SIZE = 500;

/**
 * Leases of spent tokens in our own namespace (coordination.k8s.io/v1): two creations of one name
 * never both succeed.
 *
 * @returns every function throws KubernetesError
 */
export const createUsedTokenLeaseStore = (calls: ApiClient, namespace: string): UsedTokenLeases => {
  const path = `/apis/coordination.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/leases`;
  return {
    create: async (lease) => {
      const call = { method: 'POST', path, body: toLease(lease) } as const;
      const created = calls(`create lease ${lease.name}`, call).then(() => 'created' as const);
      return recoverFrom(['conflict'], created, 'exists' as const);
    },
    list: async () => {
      const found: UsedTokenLease[] = [];
      let next = '';
      do {
        const query = `labelSelector=${USED_TOKEN_LABEL}%3Dtrue&limit=${PAGE_SIZE}`;
        const page = next === '' ? query : `${query}&continue=${encodeURIComponent(next)}`;
        const call = { method: 'GET', path: `${path}?${page}` } as const;
        const answer = (await calls('list leases of spent tokens', call)) as LeaseList;
        found.push(...(answer.items ?? []).flatMap(readLease));
        next = answer.metadata?.continue ?? '';
      } while (next !== '');
      return found;
    },
    remove: async (name) => {
      const call = { method: 'DELETE', path: `${path}/${encodeURIComponent(name)}` } as const;
      await recoverFrom(['notFound'], calls(`delete lease ${name}`, call), undefined);
    },
  };
};

type Lease = {
  readonly metadata?: { readonly name?: string };
  readonly spec?: { readonly renewTime?: string };
};
type LeaseList = {
  readonly items?: readonly Lease[];
  readonly metadata?: { readonly continue?: string };
};

/** A Lease has no field for its end: `renewTime`, which nobody renews, says it. */
const toLease = ({ name, endsAt }: UsedTokenLease) => ({
  apiVersion: 'coordination.k8s.io/v1',
  kind: 'Lease',
  metadata: { name, labels: { [USED_TOKEN_LABEL]: 'true' } },
  spec: { holderIdentity: 'used', renewTime: formatMicroTime(endsAt) },
});

/** Kubernetes' MicroTime has six digits. */
const formatMicroTime = (milliseconds: number): string =>
  new Date(milliseconds).toISOString().replace('Z', '000Z');

/** One without an end was not written by us: it is left alone. */
const readLease = ({ metadata, spec }: Lease): readonly UsedTokenLease[] => {
  const endsAt = Date.parse(spec?.renewTime ?? '');
  return metadata?.name === undefined || Number.isNaN(endsAt)
    ? []
    : [{ name: metadata.name, endsAt }];
};
