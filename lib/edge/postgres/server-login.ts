import { randomBytes } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { getChannelBinding } from '../../postgres/certificate-binding.ts';
import type { ServerMessage } from '../../postgres/messages.ts';
import { readServerError } from '../../postgres/query-messages.ts';
import { createScramClient } from '../../postgres/scram.ts';
import { createServerLogin, listMechanisms } from '../../postgres/server-login.ts';
import { renderStartupPacket, type BackendKey } from '../../postgres/startup.ts';
import { DatabaseError } from './database-error.ts';
import { readServerMessages } from './server-messages.ts';

export type LoginOptions = {
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** Further parameters of the startup packet. */
  readonly parameters: ReadonlyMap<string, string>;
  /** 10 s by default. */
  readonly timeoutMs?: number;
};

export type LoggedIn = {
  /** Of the session, for its cancel requests. */
  readonly key: BackendKey | undefined;
};

const NONCE_BYTES = 18;
/** As that of a connection. */
const LOGIN_TIMEOUT_MS = 10_000;
/** Up to `ReadyForQuery`: PostgreSQL reports some 15 parameters. What is forwarded waits in memory for its client. */
const MAX_MESSAGES = 1_000;
const MAX_BYTES = 128 * 1024;

/** Counts the messages of one login. @returns throws an Error above their limit */
const createMessageLimit = (): ((message: ServerMessage) => void) => {
  let messages = 0;
  let bytes = 0;
  return ({ payload }) => {
    messages += 1;
    bytes += payload.length;
    if (messages <= MAX_MESSAGES && bytes <= MAX_BYTES) return;
    throw new Error(
      `PostgreSQL login: expected at most ${MAX_MESSAGES} messages of ${MAX_BYTES} bytes in all`,
    );
  };
};

/** Binds the login to this TLS connection where the server offers it. */
const createClient = (socket: TLSSocket, password: string, offer: ServerMessage) => {
  const certificate = socket.getPeerX509Certificate();
  const canBind = listMechanisms(offer).includes('SCRAM-SHA-256-PLUS');
  const binding = canBind && certificate !== undefined ? getChannelBinding(certificate) : undefined;
  const nonce = randomBytes(NONCE_BYTES).toString('base64');
  return createScramClient({ password, nonce }, binding);
};

/**
 * Logs in on a connection, and reads up to the first `ReadyForQuery`. What follows it is left on the socket,
 * which is paused. After an error the caller closes the socket.
 *
 * @param forward receives what a client of the session may see: never the login itself
 * @throws DatabaseError; a `refused` one was forwarded
 */
export const logIn = (
  socket: TLSSocket,
  { user, password, database, parameters, timeoutMs = LOGIN_TIMEOUT_MS }: LoginOptions,
  forward: (bytes: Buffer) => void = () => undefined,
): Promise<LoggedIn> =>
  new Promise((resolve, reject) => {
    let key: BackendKey | undefined;
    let login: ReturnType<typeof createServerLogin> | undefined;
    const count = createMessageLimit();
    if (socket.destroyed) {
      reject(newClosedError());
      return;
    }

    const stop = (): void => {
      clearTimeout(timer);
      const rest = stopReading();
      socket.pause();
      if (rest.length > 0 && !socket.destroyed) socket.unshift(rest);
    };
    const fail = (error: DatabaseError): void => {
      stop();
      reject(error);
    };
    const onTimeout = (): void =>
      fail(
        new DatabaseError('unreachable', `expected a login within ${timeoutMs / 1000} s, got none`),
      );
    const timer = setTimeout(onTimeout, timeoutMs);

    const onMessage = (message: ServerMessage): boolean => {
      count(message);
      login ??= createServerLogin(createClient(socket, password, message));
      const step = login(message);
      if (step.send !== undefined) socket.write(step.send);
      if (step.forward !== undefined) forward(step.forward);
      key ??= step.key;
      if (step.end === 'failed') {
        const { sqlState, message: text } = readServerError(message);
        fail(new DatabaseError('refused', text, { sqlState }));
      } else if (step.end === 'ready') {
        stop();
        resolve({ key });
      }
      return step.end !== undefined;
    };

    const stopReading = readServerMessages(socket, {
      onMessage,
      onInvalid: (cause) => {
        const text = cause instanceof Error ? cause.message : 'no login';
        fail(new DatabaseError('untrusted', text, { cause }));
      },
      onClose: () => fail(newClosedError()),
    });
    socket.write(renderStartupPacket(parameters, { user, database }));
  });

const newClosedError = (): DatabaseError =>
  new DatabaseError('unreachable', 'the server closed the connection during the login');
