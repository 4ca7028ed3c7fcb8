import type { ApiClient } from './api-client.ts';
import { findObject, recoverFrom } from './kubernetes-error.ts';
import { buildLeasesPath, formatMicroTime, LEASE_API_VERSION } from './lease-api.ts';

/** The exclusive right to write, held by one replica at a time. */
export type RoleLease = {
  /** Undefined: another replica holds it. */
  readonly acquire: () => Promise<AcquiredLease | undefined>;
};

export type AcquiredLease = {
  /** The note of the last holder; empty: none. */
  readonly note: string;
  /** When another replica may take it, in milliseconds of the monotonic clock. */
  readonly until: number;
  /** Releases it, with a note for the next holder. */
  readonly release: (note: string) => Promise<void>;
};

export type RoleLeaseOptions = {
  readonly namespace: string;
  readonly name: string;
  /** Identity of this process; unique among processes. */
  readonly holder: string;
  readonly durationSeconds: number;
  /** Both in milliseconds. */
  readonly clock: { readonly now: () => number; readonly monotonic: () => number };
};

const NOTE = 'valetkey.dev/note';

/**
 * Creates a lock from a Lease of coordination.k8s.io/v1, acquired under optimistic locking. A Lease that
 * has not changed for its whole duration, by this process's monotonic clock, has lost its holder. No two
 * clocks are compared.
 *
 * @returns every function throws KubernetesError
 */
export const createRoleLease = (calls: ApiClient, options: RoleLeaseOptions): RoleLease => {
  const { namespace, name, holder, durationSeconds, clock } = options;
  const path = buildLeasesPath(namespace);
  const own = `${path}/${encodeURIComponent(name)}`;
  let seen: { readonly resourceVersion: string; readonly at: number } | undefined;

  const read = async (): Promise<Lease> => {
    const get = calls(`get lease ${name}`, { method: 'GET', path: own });
    return ((await findObject(get)) as Lease | undefined) ?? (await create());
  };
  const create = async (): Promise<Lease> => {
    const body = { apiVersion: LEASE_API_VERSION, kind: 'Lease', metadata: { name } };
    const post = calls(`create lease ${name}`, { method: 'POST', path, body });
    return ((await recoverFrom(post, { conflict: undefined })) as Lease | undefined) ?? {};
  };
  const write = async (resourceVersion: string, change: Lease): Promise<Lease | undefined> => {
    const body = { ...change, metadata: { ...change.metadata, resourceVersion } };
    const patch = calls(`patch lease ${name}`, { method: 'PATCH', path: own, body });
    const recoveries = { conflict: undefined, notFound: undefined };
    return (await recoverFrom(patch, recoveries)) as Lease | undefined;
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
