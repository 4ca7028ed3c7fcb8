import type { Server } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Connections that nobody has owned up to. Who means well sends its request at once, but is read only
 * after all that came with it: as many as the backlog of a listener holds come in one turn.
 */
const MAX_STRANGERS = 512;
/** As many as each consumer's socket takes. */
const MAX_PER_OWNER = 256;

/** Whose a connection is, from the first request on that says so; one too many is cut. */
export type ConnectionBudgets = (socket: Socket, owner: string) => void;

/**
 * Shares the connections of one server between callers that it can tell apart only by their requests:
 * none of them can use up another's. Of those who have not said who they are the oldest is cut, so
 * that half-open ones, however many, keep nobody out.
 */
export const budgetConnections = (server: Server): ConnectionBudgets => {
  const strangers = new Set<Socket>();
  const owned = new Map<string, Set<Socket>>();
  const homes = new WeakMap<Socket, Set<Socket>>();

  const settle = (socket: Socket, home: Set<Socket>): void => {
    homes.get(socket)?.delete(socket);
    homes.set(socket, home.add(socket));
  };

  server.maxConnections = Infinity;
  server.on('connection', (socket: Socket) => {
    settle(socket, strangers);
    socket.once('close', () => homes.get(socket)?.delete(socket));
    const [oldest] = strangers;
    if (strangers.size > MAX_STRANGERS) cut(oldest, strangers);
  });

  return (socket, owner) => {
    const home = owned.get(owner) ?? new Set();
    owned.set(owner, home);
    settle(socket, home);
    if (home.size > MAX_PER_OWNER) cut(socket, home);
  };
};

/** Its room is free at once, and not only when its end is known. */
const cut = (socket: Socket | undefined, home: Set<Socket>): void => {
  if (socket === undefined) return;
  home.delete(socket);
  socket.destroy();
};
