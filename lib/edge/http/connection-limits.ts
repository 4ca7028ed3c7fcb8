import type { Server } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Connections that nobody has owned up to. Who means well sends its request at once, but is read only
 * after all that came with it: as many as the backlog of a listener holds come in one turn.
 */
const MAX_UNAUTHENTICATED = 512;
/** As many as each consumer's socket takes. */
const MAX_PER_CONSUMER = 256;

/** Whose a connection is, from the first request on that says so; one too many is cut. */
export type AssignConnection = (socket: Socket, owner: string) => void;

/**
 * Shares the connections of one server between callers that it can tell apart only by their requests:
 * none of them can use up another's. Of those who have not said who they are the oldest is cut, so
 * that half-open ones, however many, keep nobody out.
 */
export const createConnectionLimiter = (server: Server): AssignConnection => {
  const unauthenticated = new Set<Socket>();
  const owned = new Map<string, Set<Socket>>();
  const groups = new WeakMap<Socket, Set<Socket>>();

  const moveToGroup = (socket: Socket, home: Set<Socket>): void => {
    groups.get(socket)?.delete(socket);
    groups.set(socket, home.add(socket));
  };

  server.maxConnections = Infinity;
  server.on('connection', (socket: Socket) => {
    moveToGroup(socket, unauthenticated);
    socket.once('close', () => groups.get(socket)?.delete(socket));
    const [oldest] = unauthenticated;
    if (unauthenticated.size > MAX_UNAUTHENTICATED) closeConnection(oldest, unauthenticated);
  });

  return (socket, owner) => {
    const home = owned.get(owner) ?? new Set();
    owned.set(owner, home);
    moveToGroup(socket, home);
    if (home.size > MAX_PER_CONSUMER) closeConnection(socket, home);
  };
};

/** Its room is free at once, and not only when its end is known. */
const closeConnection = (socket: Socket | undefined, home: Set<Socket>): void => {
  if (socket === undefined) return;
  home.delete(socket);
  socket.destroy();
};
