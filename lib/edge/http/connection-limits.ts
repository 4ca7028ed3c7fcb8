import type { Server, Socket } from 'node:net';

/**
 * Maximum of connections that are not authenticated yet. A legitimate client sends its request at once,
 * but a full backlog of connections (511) may be accepted before the first request is read.
 */
const MAX_UNAUTHENTICATED = 512;
/** The limit of each consumer's socket. */
const MAX_PER_CONSUMER = 256;

/** Assigns a connection to its owner at its first authenticated request; closes it above the limit. */
export type AssignConnection = (socket: Socket, owner: string) => void;

/**
 * Limits the connections of a server whose clients are identified only by their requests, so that no
 * owner can use up the connections of another. Above the limit of unauthenticated connections the
 * oldest is closed, so that any number of idle ones blocks no client.
 */
export const createConnectionLimiter = (server: Server): AssignConnection => {
  const unauthenticated = new Set<Socket>();
  const owned = new Map<string, Set<Socket>>();
  const groups = new WeakMap<Socket, Set<Socket>>();

  const moveToGroup = (socket: Socket, group: Set<Socket>): void => {
    groups.get(socket)?.delete(socket);
    groups.set(socket, group.add(socket));
  };

  server.maxConnections = Infinity;
  server.on('connection', (socket: Socket) => {
    moveToGroup(socket, unauthenticated);
    socket.once('close', () => groups.get(socket)?.delete(socket));
    const [oldest] = unauthenticated;
    if (unauthenticated.size > MAX_UNAUTHENTICATED) closeConnection(oldest, unauthenticated);
  });

  return (socket, owner) => {
    const group = owned.get(owner) ?? new Set();
    owned.set(owner, group);
    moveToGroup(socket, group);
    if (group.size > MAX_PER_CONSUMER) closeConnection(socket, group);
  };
};

/** Frees the connection's slot at once, not only on its `close` event. */
const closeConnection = (socket: Socket | undefined, group: Set<Socket>): void => {
  if (socket === undefined) return;
  group.delete(socket);
  socket.destroy();
};
