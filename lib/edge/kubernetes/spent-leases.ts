import type { SpentLease, SpentLeases } from '../../identity/spending.ts';
import type { DirectCalls } from './direct-calls.ts';
import { unless } from './kubernetes-error.ts';

const SPENT_LABEL = 'valetkey.dev/spent';
/** Leases of one answer: bounds what is held in memory. */
const PAGE = 500;

/**
 * Leases of spent tokens in our own namespace (coordination.k8s.io/v1): two creations of one name
 * never both succeed.
 *
 * @returns every function throws KubernetesError
 */
export const openSpentLeases = (calls: DirectCalls, namespace: string): SpentLeases => {
  const path = `/apis/coordination.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/leases`;
  return {
    create: async (lease) => {
      const call = { method: 'POST', path, body: write(lease) } as const;
      const created = calls(`create lease ${lease.name}`, call).then(() => 'created' as const);
      return unless(['conflict'], created, 'exists' as const);
    },
    list: async () => {
      const found: SpentLease[] = [];
      let next = '';
      do {
        const query = `labelSelector=${SPENT_LABEL}%3Dtrue&limit=${PAGE}`;
        const page = next === '' ? query : `${query}&continue=${encodeURIComponent(next)}`;
        const call = { method: 'GET', path: `${path}?${page}` } as const;
        const answer = (await calls('list leases of spent tokens', call)) as LeaseList;
        found.push(...(answer.items ?? []).flatMap(read));
        next = answer.metadata?.continue ?? '';
      } while (next !== '');
      return found;
    },
    remove: async (name) => {
      const call = { method: 'DELETE', path: `${path}/${encodeURIComponent(name)}` } as const;
      await unless(['notFound'], calls(`delete lease ${name}`, call), undefined);
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
const write = ({ name, endsAt }: SpentLease) => ({
  apiVersion: 'coordination.k8s.io/v1',
  kind: 'Lease',
  metadata: { name, labels: { [SPENT_LABEL]: 'true' } },
  spec: { holderIdentity: 'spent', renewTime: microTime(endsAt) },
});

/** Kubernetes' MicroTime has six digits. */
const microTime = (milliseconds: number): string =>
  new Date(milliseconds).toISOString().replace('Z', '000Z');

/** One without an end was not written by us: it is left alone. */
const read = ({ metadata, spec }: Lease): readonly SpentLease[] => {
  const endsAt = Date.parse(spec?.renewTime ?? '');
  return metadata?.name === undefined || Number.isNaN(endsAt)
    ? []
    : [{ name: metadata.name, endsAt }];
};
