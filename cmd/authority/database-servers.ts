import type { PostgresUpstream } from '../../lib/upstreams/upstream.ts';

/** A database server, as an Upstream names it. */
export type DatabaseServer = {
  readonly key: string;
  /** As it was last seen. */
  readonly upstream: PostgresUpstream;
  /** Monotonic milliseconds at which no Upstream named it any more. */
  readonly goneSince?: number;
};

/** The database servers that Upstreams name, or named since this replica started. */
export type DatabaseServers = {
  /** Compares them with the Upstreams that exist now. */
  readonly refresh: () => readonly DatabaseServer[];
  readonly get: (key: string) => DatabaseServer | undefined;
  readonly forget: (key: string) => void;
  /** Whether an Upstream of this name exists. */
  readonly hasName: (name: string) => boolean;
};

/** An Upstream of the same name that was created again is another one. */
const buildKey = ({ name, uid = '', host, port }: PostgresUpstream): string =>
  JSON.stringify([name, uid, host, port]);

/** Remembers servers whose Upstreams were deleted or changed: roles of runs are left there. */
export const createDatabaseServers = ({
  listDatabases,
  monotonic,
}: {
  readonly listDatabases: () => readonly PostgresUpstream[];
  readonly monotonic: () => number;
}): DatabaseServers => {
  const servers = new Map<string, DatabaseServer>();
  return {
    refresh: () => {
      const current = new Map(listDatabases().map((each) => [buildKey(each), each]));
      for (const [key, { upstream, goneSince = monotonic() }] of servers) {
        if (!current.has(key)) servers.set(key, { key, upstream, goneSince });
      }
      for (const [key, upstream] of current) servers.set(key, { key, upstream });
      return [...servers.values()];
    },
    get: (key) => servers.get(key),
    forget: (key) => void servers.delete(key),
    hasName: (name) => listDatabases().some((each) => each.name === name),
  };
};
