import { randomInt } from 'node:crypto';
import { createServer, type Server } from 'node:net';

/**
 * Below the ports that kernels hand to outgoing connections and to listeners on port 0 (from 32768
 * on Linux, from 49152 elsewhere) and below those of NodePorts (from 30000): a port that was found
 * free is not taken by one of them before the program that it is for listens.
 */
const FIRST = 20_000;
const END = 30_000;
const ATTEMPTS = 1000;

/** Finds `count` different loopback ports that nothing listens on; all are held open together, then closed. */
export const findFreePorts = async (count: number): Promise<readonly number[]> => {
  const servers: Server[] = [];
  const ports: number[] = [];
  for (let attempt = 0; ports.length < count; attempt += 1) {
    if (attempt === ATTEMPTS) throw new Error(`ports ${FIRST} to ${END}: expected a free one`);
    const port = randomInt(FIRST, END);
    const server = await listen(port);
    if (server === undefined) continue;
    servers.push(server);
    ports.push(port);
  }
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
};

const listen = (port: number): Promise<Server | undefined> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(undefined);
      else reject(error);
    });
    server.listen(port, '127.0.0.1', () => {
      resolve(server);
    });
  });
