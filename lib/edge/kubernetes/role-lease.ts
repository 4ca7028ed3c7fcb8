import type { ApiClient } from './api-client.ts';
import { recoverFrom } from './kubernetes-error.ts';

/** The right to write, held by one of all replicas at a time. */
export type RoleLease = {
  /** Nothing: somebody else holds it. */
  readonly acquire: () => Promise<AcquiredLease | undefined>;
};

export type AcquiredLease = {
  /** What the last holder left; empty: nothing. */
  readonly note: string;
  /** When another may take it, milliseconds on the monotonic clock. */
  readonly until: number;
  /** Gives it back, with a note for the next holder. */
  readonly release: (note: string) => Promise<void>;
};

export type RoleLeaseOptions = {
  readonly namespace: string;
  readonly name: string;
  /** Who holds it: unique among processes. */
  readonly holder: string;
  readonly durationSeconds: number;
  /** Both in milliseconds. */
  readonly clock: { readonly now: () => number; readonly monotonic: () => number };
};

const NOTE = 'valetkey.dev/note';

/**
 * A Lease of coordination.k8s.io/v1, taken under optimistic locking. A holder that died is known by
 * a Lease that has not changed for its whole duration by our own clock: no two clocks are compared.
 *
 * @returns every function throws KubernetesError
 */
export const createRoleLease = (calls: ApiClient, terms: RoleLeaseOptions): RoleLease => {
  const { namespace, name, holder, durationSeconds, clock } = terms;
  const path = `/apis/coordination.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/leases`;
  const own = `${path}/${encodeURIComponent(name)}`;
  let seen: { readonly resourceVersion: string; readonly at: number } | undefined;

  const read = async (): Promise<Lease> => {
    const get = calls(`get lease ${name}`, { method: 'GET', path: own });
    return (
      ((await recoverFrom(['notFound'], get, undefined)) as Lease | undefined) ?? (await create())
    );
  };
  const create = async (): Promise<Lease> => {
    const body = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name } };
    const post = calls(`create lease ${name}`, { method: 'POST', path, body });
    return ((await recoverFrom(['conflict'], post, undefined)) as Lease | undefined) ?? {};
  };
  const write = async (resourceVersion: string, change: Lease): Promise<Lease | undefined> => {
    const body = { ...change, metadata: { ...change.metadata, resourceVersion } };
    const patch = calls(`patch lease ${name}`, { method: 'PATCH', path: own, body });
    return (await recoverFrom(['conflict', 'notFound'], patch, undefined)) as Lease | undefined;
  };
  const isFree = ({ spec }: Lease, resourceVersion: string): boolean => {
    if ((spec?.holderIdentity ?? '') === '') return true;
    if (seen?.resourceVersion !== resourceVersion) {
      seen = { resourceVersion, at: clock.monotonic() };
    }
    return clock.monotonic() - seen.at > durationSeconds * 1000;
  };
  return {
    acquire: async () => {
      const found = await read();
      const { resourceVersion = '', annotations } = found.metadata ?? {};
      if (resourceVersion === '' || !isFree(found, resourceVersion)) return undefined;
      const until = clock.monotonic() + durationSeconds * 1000;
      const time = formatMicroTime(clock.now());
      const times = { acquireTime: time, renewTime: time, leaseDurationSeconds: durationSeconds };
      const taken = await write(resourceVersion, { spec: { holderIdentity: holder, ...times } });
      const version = taken?.metadata?.resourceVersion;
      if (version === undefined) return undefined;
      return {
        note: annotations?.[NOTE] ?? '',
        until,
        release: async (note) => {
          const metadata = { annotations: { [NOTE]: note } };
          await write(version, { metadata, spec: { holderIdentity: '' } });
        },
      };
    },
  };
};

type Lease = {
  readonly metadata?: {
    readonly resourceVersion?: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec?: {
    readonly holderIdentity?: string;
    readonly acquireTime?: string;
    readonly renewTime?: string;
    readonly leaseDurationSeconds?: number;
  };
};

/** Kubernetes' MicroTime has six digits. */
const formatMicroTime = (milliseconds: number): string =>
  new Date(milliseconds).toISOString().replace('Z', '000Z');
