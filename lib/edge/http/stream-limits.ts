/** As many calls at a time as a consumer can have over connections of HTTP/1.1. */
const MAX_STREAMS = 256;

/** Who has not sent an authenticated request yet. */
const UNAUTHENTICATED = '';

/** A stream of HTTP/2, as far as it is counted. */
export type CountedStream = {
  readonly once: (event: 'close', listener: () => void) => unknown;
  readonly close: (code: number) => void;
};

/** RFC 9113, section 8.7: nothing of the request was processed, so that clients may repeat it. */
const REFUSED_STREAM = 0x7;

/**
 * Limits the requests of all HTTP/2 connections of a listener: what a request may hold in memory is limited,
 * but not how many connections make how many of them. Of those that are not authenticated the oldest is
 * closed, so that they block no client; of an owner's, the newest is refused.
 */
export const createStreamLimiter = () => {
  const groups = new Map<string, Set<CountedStream>>();
  const owners = new WeakMap<object, string>();
  const getGroup = (owner: string): Set<CountedStream> => {
    const group = groups.get(owner) ?? new Set();
    groups.set(owner, group);
    return group;
  };
  const streams = new WeakMap<object, Set<CountedStream>>();

  const getOwner = (session: object): string => owners.get(session) ?? UNAUTHENTICATED;

  /** @returns false if the group is full and stays so */
  const ensureFree = (owner: string): boolean => {
    const group = getGroup(owner);
    if (group.size < MAX_STREAMS) return true;
    const [oldest] = group;
    if (owner !== UNAUTHENTICATED || oldest === undefined) return false;
    group.delete(oldest);
    oldest.close(REFUSED_STREAM);
    return true;
  };

  return {
    /** @returns false if the stream was refused */
    open: (session: object, stream: CountedStream): boolean => {
      if (!ensureFree(getOwner(session))) {
        stream.close(REFUSED_STREAM);
        return false;
      }
      const open = streams.get(session) ?? new Set();
      streams.set(session, open.add(stream));
      getGroup(getOwner(session)).add(stream);
      stream.once('close', () => {
        open.delete(stream);
        getGroup(getOwner(session)).delete(stream);
      });
      return true;
    },
    /** The connection sent an authenticated request: it and its requests belong to that owner. */
    assign: (session: object, owner: string): void => {
      if (owners.get(session) === owner) return;
      const [from, to] = [getGroup(getOwner(session)), getGroup(owner)];
      for (const stream of streams.get(session) ?? []) {
        from.delete(stream);
        to.add(stream);
      }
      owners.set(session, owner);
    },
    /** @returns whether requests of the connection are open */
    isBusy: (session: object): boolean => (streams.get(session)?.size ?? 0) > 0,
  };
};
