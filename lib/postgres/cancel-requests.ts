import type { BackendKey } from './startup.ts';

export type CancelRequests<Server> = {
  /** Notes a session. @returns a function that forgets it, to be called when the session ends */
  readonly add: (consumer: string, key: BackendKey, server: Server) => () => void;
  /** The server of a consumer's own session with this key. */
  readonly find: (consumer: string, key: BackendKey) => Server | undefined;
};

/**
 * Creates the table of the sessions of one task. A cancel request has no other login than the key, so one
 * for a session that is not in the table is not passed on.
 */
export const createCancelRequests = <Server>(): CancelRequests<Server> => {
  const sessions = new Map<string, { readonly server: Server }>();
  const getId = (consumer: string, { pid, secret }: BackendKey): string =>
    JSON.stringify([consumer, pid, secret]);
  return {
    add: (consumer, key, server) => {
      const id = getId(consumer, key);
      const session = { server };
      sessions.set(id, session);
      return () => {
        if (sessions.get(id) === session) sessions.delete(id);
      };
    },
    find: (consumer, key) => sessions.get(getId(consumer, key))?.server,
  };
};
