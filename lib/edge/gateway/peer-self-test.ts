import { readFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

import type { FindPeerUid } from './peer.ts';

/** Whether this kernel shows who connects, and which users never may. */
export type PeerCheck =
  | { readonly works: true; readonly overflowUid: number }
  | { readonly works: false; readonly why: string };

const OVERFLOW_UID_FILE = '/proc/sys/kernel/overflowuid';
const TIMEOUT_MS = 10_000;

/** The user that is shown for every user outside the user namespace of the reader. */
const readOverflowUid = async (path: string): Promise<number> => {
  const text = await readFile(path, 'latin1');
  if (!/^\d{1,10}\n?$/.test(text)) throw new Error(`${path}: expected a number`);
  return Number(text);
};

/** Connects this process to itself. */
const connectToSelf = (
  server: Server,
): Promise<{ readonly accepted: Socket; readonly client: Socket }> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: '127.0.0.1', port: 0 }, () => {
      const { port } = server.address() as AddressInfo;
      const client = connect({ host: '127.0.0.1', port }).once('error', reject);
      client.setTimeout(TIMEOUT_MS, () => client.destroy(new Error('no connection to itself')));
      server.once('connection', (accepted) => {
        accepted.on('error', () => undefined);
        resolve({ accepted, client });
      });
    });
  });

const closeAll = (server: Server, sockets: readonly Socket[]): void => {
  for (const socket of sockets) socket.destroy();
  server.close();
};

/**
 * Opens a connection from this process to itself and looks its peer up: what is found must be this process's own
 * user. Kernels that show another (gVisor, hardened ones) cannot distinguish the processes of a pod.
 *
 * @param overflowUidFile for tests
 */
export const testPeerCheck = async (
  { findPeerUid, ownUid }: { readonly findPeerUid: FindPeerUid; readonly ownUid: number },
  overflowUidFile = OVERFLOW_UID_FILE,
): Promise<PeerCheck> => {
  const server = createServer();
  const sockets: Socket[] = [];
  try {
    const overflowUid = await readOverflowUid(overflowUidFile);
    const { accepted, client } = await connectToSelf(server);
    sockets.push(accepted, client);
    const found = await findPeerUid(accepted);
    return found === ownUid
      ? { works: true, overflowUid }
      : {
          works: false,
          why: `expected user ${ownUid} of a connection to itself, got ${found ?? 'none'}`,
        };
  } catch (thrown) {
    const { code, message } = thrown as { code?: unknown; message?: unknown };
    return { works: false, why: String(code ?? message) };
  } finally {
    closeAll(server, sockets);
  }
};
