import { createServer, type Server, type Socket } from 'node:net';

/** As the listeners of a consumer's other sockets. */
const MAX_CONNECTIONS = 256;

/** Creates a server of clients of PostgreSQL; it does not listen yet. */
export const createSessionServer = (onClient: (socket: Socket) => void): Server => {
  // A client that has sent Terminate closes its side first, and no answer follows.
  const server = createServer({ noDelay: true, pauseOnConnect: true }, onClient);
  server.maxConnections = MAX_CONNECTIONS;
  return server;
};

/** Tracks connections, so that all can be closed at once. @returns stops listening and closes them */
export const trackConnections = (server: Server): (() => Promise<void>) => {
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  return () =>
    new Promise((resolve) => {
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
};
