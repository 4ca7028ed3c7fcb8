import { createServer, type AddressInfo, type Server } from 'node:net';
import { TLSSocket } from 'node:tls';

import { afterEach, describe, expect, it } from '@jest/globals';

import { createCertificateAuthority, signLeaf } from '../../certificate/certificate-authority.ts';
import { renderMessage } from '../../postgres/messages.ts';
import { createAdminSessions } from './admin-session.ts';

const LOGIN = { user: 'valetkey', password: 'p'.repeat(16), database: 'postgres' };
/** Of severity and text alone: no answer to anything. */
const NOTICE = renderMessage('N', Buffer.from('SNOTICE\0Mwait\0\0'));

let server: Server | undefined;
let end: () => void = () => undefined;
afterEach(() => {
  end();
  server?.close();
});

/** A server of PostgreSQL that offers TLS, and then does with a session what the test says. */
const startServer = async (onSession: (socket: TLSSocket) => () => void) => {
  const terms = { now: Date.now(), lifetimeMs: 3_600_000 };
  const authority = await createCertificateAuthority(terms);
  const { certificate: cert, key } = await signLeaf(authority, { ...terms, names: ['localhost'] });
  server = createServer((socket) => {
    socket.once('data', () => {
      socket.write('S');
      const session = new TLSSocket(socket, { isServer: true, cert, key });
      session.on('error', () => undefined);
      end = onSession(session);
    });
  });
  const listening = server;
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  const { port } = listening.address() as AddressInfo;
  return { host: 'localhost', port, caBundle: authority.certificate };
};

describe('createAdminSessions', () => {
  it.each([
    ['sends nothing', () => () => undefined],
    [
      'sends notices without end',
      (socket: TLSSocket) => {
        const timer = setInterval(() => socket.write(NOTICE), 5);
        socket.once('close', () => clearInterval(timer));
        return () => clearInterval(timer);
      },
    ],
  ])('gives up a login when the server %s', async (_, onSession) => {
    const target = await startServer((socket) => {
      socket.resume();
      return onSession(socket);
    });
    const connect = createAdminSessions({}, { answerTimeoutMs: 100 });
    await expect(connect(target, LOGIN)).rejects.toMatchObject({ kind: 'unreachable' });
  });
});
