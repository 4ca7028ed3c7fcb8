import { createLruCache, type LruCache } from '../async/lru-cache.ts';

/** Whose session it is: no other consumer or task can use it, whatever ID it sends. */
export type SessionOwner = {
  readonly consumer: string;
  readonly task: string;
  /** Of a run that was started by itself: with other params, it must not go on with a session. */
  readonly run?: string;
};

export type McpSessions = {
  /** Binds the ID that a server assigned. @returns false if it is no valid ID */
  readonly bind: (owner: SessionOwner, id: string) => boolean;
  /** Whether the owner may send this ID. If not, the client gets 404 and begins a new session. */
  readonly isBound: (owner: SessionOwner, id: string) => boolean;
  readonly end: (owner: SessionOwner, id: string) => void;
};

const MAX_SESSIONS = 64;
/** Runs that are started by themselves come and go. */
const MAX_OWNERS = 256;
/** MCP 2025-11-25, "Session Management": visible ASCII. */
const SESSION_ID = /^[\x21-\x7e]{1,256}$/;

/**
 * Creates a table of `Mcp-Session-Id`s for one Upstream. Each owner has 64; the one that was used least
 * recently is forgotten first.
 */
export const createMcpSessions = (): McpSessions => {
  const owners = createLruCache<LruCache<true>>(MAX_OWNERS);
  const getKey = ({ consumer, task, run }: SessionOwner): string =>
    JSON.stringify([consumer, task, run]);

  const getSessions = (owner: SessionOwner): LruCache<true> => {
    const sessions = owners.get(getKey(owner)) ?? createLruCache<true>(MAX_SESSIONS);
    owners.set(getKey(owner), sessions);
    return sessions;
  };

  return {
    bind: (owner, id) => {
      if (!SESSION_ID.test(id)) return false;
      getSessions(owner).set(id, true);
      return true;
    },
    isBound: (owner, id) => owners.get(getKey(owner))?.get(id) === true,
    end: (owner, id) => {
      owners.get(getKey(owner))?.delete(id);
    },
  };
};
