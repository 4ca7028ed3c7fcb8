import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import {
  renderMessage,
  renderText,
  takeServerMessage,
  type ServerMessage,
} from '../lib/postgres/messages.ts';
import { readRow, readServerError } from '../lib/postgres/query-messages.ts';
import { createScramClient } from '../lib/postgres/scram.ts';
import { createServerLogin } from '../lib/postgres/server-login.ts';
import {
  renderCancelRequest,
  renderStartupPacket,
  type BackendKey,
} from '../lib/postgres/startup.ts';

/** A session whose login, and whose cancel requests, are those of `lib/postgres`. */
export type PostgresSession = {
  /** @returns rows as lists of texts. @throws Error with the server's SQLSTATE and message */
  readonly query: (sql: string) => Promise<readonly (readonly (string | null)[])[]>;
  readonly cancel: () => Promise<void>;
  /** Resolves when the server has ended the session. */
  readonly closed: Promise<void>;
  readonly close: () => void;
};

const readErrorFields = (message: ServerMessage): string => {
  const { sqlState, message: text } = readServerError(message);
  return `${sqlState} ${text}`;
};

/** Reads messages one after the other. */
const createReader = (socket: Socket) => {
  const messages: ServerMessage[] = [];
  let rest: Buffer = Buffer.alloc(0);
  let isClosed = false;
  let wake = (): void => undefined;
  socket.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    for (let taken = takeServerMessage(rest); taken; taken = takeServerMessage(rest)) {
      messages.push(taken.message);
      rest = taken.rest;
    }
    wake();
  });
  socket.on('error', () => undefined);
  const closed = new Promise<void>((resolve) => {
    socket.on('close', () => {
      isClosed = true;
      wake();
      resolve();
    });
  });
  const next = async (): Promise<ServerMessage> => {
    for (;;) {
      const message = messages.shift();
      if (message !== undefined) return message;
      if (isClosed) throw new Error('connection closed');
      await new Promise<void>((resolve) => (wake = resolve));
    }
  };
  return { next, closed };
};

/** Connects over TCP on this machine and logs in with SCRAM. */
export const connectPostgres = async ({
  port,
  user,
  password,
  database,
}: {
  port: number;
  user: string;
  password: string;
  database: string;
}): Promise<PostgresSession> => {
  const socket = connect(port, '127.0.0.1');
  const { next, closed } = createReader(socket);
  const login = createServerLogin(
    createScramClient({ password, nonce: randomBytes(18).toString('base64') }),
  );
  socket.write(renderStartupPacket(new Map([['application_name', 'test']]), { user, database }));
  let key: BackendKey | undefined;
  for (;;) {
    const message = await next();
    const step = login(message);
    if (step.send !== undefined) socket.write(step.send);
    key ??= step.key;
    if (step.end === 'failed') throw new Error(readErrorFields(message));
    if (step.end === 'ready') break;
  }
  const session = key;

  const query = async (sql: string): Promise<readonly (readonly (string | null)[])[]> => {
    socket.write(renderMessage('Q', renderText(sql)));
    const rows: (readonly (string | null)[])[] = [];
    let failure: string | undefined;
    for (;;) {
      const message = await next();
      const { type, payload } = message;
      if (type === 'D') rows.push(readRow(payload));
      if (type === 'E') failure = readErrorFields(message);
      // The server closes after an error that ends the session.
      if (failure?.startsWith('57P01')) throw new Error(failure);
      if (type === 'Z') break;
    }
    if (failure !== undefined) throw new Error(failure);
    return rows;
  };

  return {
    query,
    closed,
    close: () => socket.end(renderMessage('X', Buffer.alloc(0))),
    cancel: () =>
      new Promise((resolve, reject) => {
        if (session === undefined) {
          reject(new Error('expected a key of the session'));
          return;
        }
        const other = connect(port, '127.0.0.1');
        other.on('error', reject);
        other.on('close', () => {
          resolve();
        });
        other.end(renderCancelRequest(session));
      }),
  };
};
