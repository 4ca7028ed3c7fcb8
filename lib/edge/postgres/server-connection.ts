import { once } from 'node:events';
import { connect as connectTcp, isIP, type LookupFunction, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import {
  renderCancelRequest,
  SSL_REQUEST_PACKET,
  type BackendKey,
} from '../../postgres/startup.ts';
import { DatabaseError } from './database-error.ts';

/** A server of PostgreSQL. */
export type DatabaseServer = {
  readonly host: string;
  readonly port: number;
  /** PEM certificates trusted instead of the system's. */
  readonly caBundle?: string | undefined;
};

export type ConnectDeps = {
  /** Resolves names, and refuses addresses that no database may have. Absent: the system's. */
  readonly lookup?: LookupFunction | undefined;
  /** Of addresses in place of names. */
  readonly isAllowedAddress?: ((address: string) => boolean) | undefined;
};

const CONNECT_TIMEOUT_MS = 10_000;
const TLS_OFFERED = 'S'.charCodeAt(0);

const describe = ({ host, port }: DatabaseServer): string => `postgres://${host}:${port}`;

/** Codes of OpenSSL's and Node's certificate checks; others are those of a connection. */
const isTrustError = ({ code = '' }: { code?: string }): boolean =>
  /^(ERR_TLS|ERR_SSL|CERT_|UNABLE_|SELF_SIGNED|DEPTH_ZERO|HOSTNAME_|INVALID_)/.test(code);

const toDatabaseError = (server: DatabaseServer, cause: unknown): DatabaseError => {
  if (cause instanceof DatabaseError) return cause;
  const { code = 'no answer' } = cause as { code?: string };
  // Of the checked lookup: it names the host and why its address is refused.
  const isUntrusted = code === 'upstream_untrusted' || isTrustError({ code });
  return new DatabaseError(
    isUntrusted ? 'untrusted' : 'unreachable',
    `${describe(server)}: expected ${isUntrusted ? 'a server with a trusted certificate of this name' : 'a connection'}, got ${code}`,
    { cause },
  );
};

/** Asks for TLS. Bytes after the answer would be unprotected, and read as if they were not. */
const requestTls = async (socket: Socket, server: DatabaseServer): Promise<void> => {
  socket.write(SSL_REQUEST_PACKET);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  if (answer.length === 1 && answer[0] === TLS_OFFERED) return;
  throw new DatabaseError(
    'untrusted',
    `${describe(server)}: expected TLS, which it does not offer`,
  );
};

/** Rejects when the socket fails or closes, or at the end of the time. */
const failWith = (socket: Socket, signal: AbortSignal) => {
  const { promise, reject } = Promise.withResolvers<never>();
  const onClose = (): void => reject(Object.assign(new Error(), { code: 'connection closed' }));
  const onAbort = (): void => reject(Object.assign(new Error(), { code: 'no answer in time' }));
  socket.once('error', reject).once('close', onClose);
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  promise.catch(() => undefined);
  const stop = (): void => {
    socket.off('close', onClose);
    signal.removeEventListener('abort', onAbort);
  };
  return { promise, stop };
};

const startTls = async (
  socket: Socket,
  server: DatabaseServer,
  signal: AbortSignal,
): Promise<TLSSocket> => {
  const { host, caBundle } = server;
  const encrypted = connectTls({
    socket,
    host,
    ...(isIP(host) === 0 && { servername: host }),
    ...(caBundle !== undefined && { ca: caBundle }),
    minVersion: 'TLSv1.2',
    ALPNProtocols: ['postgresql'],
  });
  encrypted.on('error', () => undefined);
  const failure = failWith(encrypted, signal);
  try {
    await Promise.race([once(encrypted, 'secureConnect'), failure.promise]);
  } catch (thrown) {
    encrypted.destroy();
    throw thrown;
  } finally {
    failure.stop();
  }
  return encrypted;
};

/**
 * Connects to a server with TLS, and checks that its certificate is of its name (`verify-full`).
 *
 * @throws DatabaseError
 */
export const connectServer = async (
  server: DatabaseServer,
  { lookup, isAllowedAddress = () => true }: ConnectDeps,
  signal?: AbortSignal,
): Promise<TLSSocket> => {
  const { host, port } = server;
  if (isIP(host) !== 0 && !isAllowedAddress(host)) {
    throw new DatabaseError('untrusted', `${describe(server)}: expected another address`);
  }
  const limit = AbortSignal.timeout(CONNECT_TIMEOUT_MS);
  const ends = signal === undefined ? limit : AbortSignal.any([limit, signal]);
  const socket = connectTcp({
    host,
    port,
    noDelay: true,
    keepAlive: true,
    ...(lookup && { lookup }),
  });
  socket.on('error', () => undefined);
  const failure = failWith(socket, ends);
  try {
    await Promise.race([once(socket, 'connect'), failure.promise]);
    await Promise.race([requestTls(socket, server), failure.promise]);
    failure.stop();
    return await startTls(socket, server, ends);
  } catch (thrown) {
    socket.destroy();
    throw toDatabaseError(server, thrown);
  } finally {
    failure.stop();
  }
};

/**
 * Asks a server to cancel the query of a session. There is no answer but the end of the connection.
 *
 * @throws DatabaseError
 */
export const cancelQuery = async (
  server: DatabaseServer,
  key: BackendKey,
  deps: ConnectDeps,
): Promise<void> => {
  const socket = await connectServer(server, deps);
  const closed = once(socket, 'close');
  socket.setTimeout(CONNECT_TIMEOUT_MS, () => socket.destroy()).resume();
  socket.end(renderCancelRequest(key));
  await closed;
};
