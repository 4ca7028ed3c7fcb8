import type { BackendKey } from './startup.ts';

export type CancelRequests = {
  /** Notes a session. @returns a function that forgets it, to be called when the session ends */
  readonly add: (consumer: string, key: BackendKey) => () => void;
  /** Whether a cancel request of this consumer is for one of its own sessions. */
  readonly isAllowed: (consumer: string, key: BackendKey) => boolean;
};

/**
 * Creates the table of the sessions of one Upstream in a pod. A cancel request has no other login than the
 * key, so one for a session that is not in the table is not passed on.
 */
export const createCancelRequests = (): CancelRequests => {
  const sessions = new Map<string, symbol>();
  const getId = (consumer: string, { pid, secret }: BackendKey): string =>
    JSON.stringify([consumer, pid, secret]);
  return {
    add: (consumer, key) => {
      const id = getId(consumer, key);
      const session = Symbol(id);
      sessions.set(id, session);
      return () => {
        if (sessions.get(id) === session) sessions.delete(id);
      };
    },
    isAllowed: (consumer, key) => sessions.has(getId(consumer, key)),
  };
};
