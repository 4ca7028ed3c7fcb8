import type { UsedHandleLease, UsedHandleLeases } from '../../identity/use-once.ts';
import type { ApiClient } from './api-client.ts';
import { findObject, recoverFrom, toOutcome } from './kubernetes-error.ts';
import { buildLeasesPath, formatMicroTime, LEASE_API_VERSION } from './lease-api.ts';

const USED_LABEL = 'valetkey.dev/used-once';
const KIND_LABEL = 'valetkey.dev/handle-kind';
/** Leases of one response; limits memory. */
const PAGE_SIZE = 500;

/**
 * Creates the store of used handle leases in the authority's own namespace. Only one of several creations
 * of the same name succeeds, so a handle is used once.
 *
 * @returns every function throws KubernetesError
 */
export const createUsedHandleLeaseStore = (
  calls: ApiClient,
  namespace: string,
): UsedHandleLeases => {
  const path = buildLeasesPath(namespace);
  return {
    create: async (lease) => {
      const call = { method: 'POST', path, body: toLease(lease) } as const;
      return toOutcome(calls(`create lease ${lease.name}`, call), 'created', {
        conflict: 'exists',
      });
    },
    read: async (name) => {
      const call = { method: 'GET', path: `${path}/${encodeURIComponent(name)}` } as const;
      const found = await findObject(calls(`get lease ${name}`, call));
      return readLease(found ?? {})[0];
    },
    list: async () => {
      const found: UsedHandleLease[] = [];
      let next = '';
      do {
        const query = `labelSelector=${USED_LABEL}%3Dtrue&limit=${PAGE_SIZE}`;
        const page = next === '' ? query : `${query}&continue=${encodeURIComponent(next)}`;
        const call = { method: 'GET', path: `${path}?${page}` } as const;
        const response = (await calls('list used handle leases', call)) as LeaseList;
        found.push(...(response.items ?? []).flatMap(readLease));
        next = response.metadata?.continue ?? '';
      } while (next !== '');
      return found;
    },
    remove: async (name) => {
      const call = { method: 'DELETE', path: `${path}/${encodeURIComponent(name)}` } as const;
      await recoverFrom(calls(`delete lease ${name}`, call), { notFound: undefined });
    },
  };
};

type Lease = {
  readonly metadata?: {
    readonly name?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly spec?: {
    readonly renewTime?: string;
    readonly acquireTime?: string;
    readonly holderIdentity?: string;
  };
};
type LeaseList = {
  readonly items?: readonly Lease[];
  readonly metadata?: { readonly continue?: string };
};

/** The holder of a handle that no one may use again. */
const USED = 'used';

/** A Lease has no field for its end, so `renewTime` holds it; these Leases are never renewed. */
const toLease = ({ name, kind, endsAt, usedAt, holder = USED }: UsedHandleLease) => ({
  apiVersion: LEASE_API_VERSION,
  kind: 'Lease',
  metadata: { name, labels: { [USED_LABEL]: 'true', [KIND_LABEL]: kind } },
  spec: {
    holderIdentity: holder,
    acquireTime: formatMicroTime(usedAt),
    renewTime: formatMicroTime(endsAt),
  },
});

/** A Lease without an end was written by another program and is ignored. */
const readLease = ({ metadata, spec }: Lease): readonly UsedHandleLease[] => {
  const endsAt = Date.parse(spec?.renewTime ?? '');
  const kind = metadata?.labels?.[KIND_LABEL] ?? '';
  return metadata?.name === undefined || Number.isNaN(endsAt)
    ? []
    : [
        {
          name: metadata.name,
          kind,
          endsAt,
          holder: spec?.holderIdentity ?? USED,
          // Without the time of its use it is used up.
          usedAt: Date.parse(spec?.acquireTime ?? '') || 0,
        },
      ];
};
