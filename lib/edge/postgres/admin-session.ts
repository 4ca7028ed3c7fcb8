import type { TLSSocket } from 'node:tls';
import { renderMessage, renderText } from '../../postgres/messages.ts';
import { readRow, readServerError, type Row } from '../../postgres/query-messages.ts';
import { DatabaseError } from './database-error.ts';
import { connectServer, type ConnectDeps, type DatabaseServer } from './server-connection.ts';
import { logIn } from './server-login.ts';
import { readServerMessages } from './server-messages.ts';

/** A session of the role that creates and ends the roles of runs. */
export type AdminSession = {
  /**
   * Runs one statement after the other.
   *
   * @returns the rows of the last one
   * @throws DatabaseError
   */
  readonly query: (...statements: readonly string[]) => Promise<readonly Row[]>;
  readonly close: () => void;
};

export type AdminLogin = {
  readonly user: string;
  readonly password: string;
  readonly database: string;
};

/** @throws DatabaseError */
export type ConnectAdmin = (server: DatabaseServer, login: AdminLogin) => Promise<AdminSession>;

/** Of each statement, on the server too: a lock that another session holds must not stop the loop. */
const STATEMENT_TIMEOUT_MS = 10_000;
/** Longer than the server's own limit. Also of the whole login. */
const ANSWER_TIMEOUT_MS = 15_000;

const PARAMETERS: ReadonlyMap<string, string> = new Map([
  ['application_name', 'valetkey-authority'],
  ['client_encoding', 'UTF8'],
  ['statement_timeout', `${STATEMENT_TIMEOUT_MS}`],
  ['lock_timeout', `${STATEMENT_TIMEOUT_MS}`],
]);

/** Ends the connection if the answer is not complete in time, however often a part of it arrives. */
const limitTime = async <T>(socket: TLSSocket, ms: number, answer: Promise<T>): Promise<T> => {
  const timer = setTimeout(() => socket.destroy(), ms);
  return answer.finally(() => clearTimeout(timer));
};

const runStatement = (socket: TLSSocket, sql: string): Promise<readonly Row[]> =>
  new Promise((resolve, reject) => {
    if (socket.destroyed) {
      reject(newClosedError());
      return;
    }
    const rows: Row[] = [];
    let failure: DatabaseError | undefined;
    const stop = readServerMessages(socket, {
      onMessage: (message) => {
        if (message.type === 'D') rows.push(readRow(message.payload));
        if (message.type === 'E') {
          const { sqlState, message: text } = readServerError(message);
          failure = new DatabaseError('refused', text, { sqlState });
        }
        if (message.type !== 'Z') return false;
        stop();
        if (failure === undefined) resolve(rows);
        else reject(failure);
        return true;
      },
      onInvalid: (cause) => {
        failure = new DatabaseError('untrusted', 'the server sent no valid message', { cause });
        socket.destroy();
      },
      onClose: () => {
        stop();
        reject(failure ?? newClosedError());
      },
    });
    socket.resume();
    socket.write(renderMessage('Q', renderText(sql)));
  });

const newClosedError = (): DatabaseError =>
  new DatabaseError('unreachable', 'the server ended the session');

/** Creates the function that opens sessions of the admin role of an Upstream. */
export const createAdminSessions =
  (
    deps: ConnectDeps = {},
    { answerTimeoutMs = ANSWER_TIMEOUT_MS }: { readonly answerTimeoutMs?: number } = {},
  ): ConnectAdmin =>
  async (server, login) => {
    const socket = await connectServer(server, deps);
    try {
      const loggedIn = logIn(socket, { ...login, parameters: PARAMETERS });
      await limitTime(socket, answerTimeoutMs, loggedIn);
    } catch (thrown) {
      socket.destroy();
      throw thrown;
    }
    return {
      query: async (...statements) => {
        let rows: readonly Row[] = [];
        for (const sql of statements) {
          rows = await limitTime(socket, answerTimeoutMs, runStatement(socket, sql));
        }
        return rows;
      },
      close: () => void socket.end(renderMessage('X', Buffer.alloc(0))),
    };
  };
