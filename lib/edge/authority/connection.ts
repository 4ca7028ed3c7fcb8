import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { Agent, request, type RequestOptions } from 'node:https';

import type { AuthorityAccess } from '../../contract/authority-api.ts';
import { ConnectionError, toConnectionError } from './connection-error.ts';

/** Room for a session token and a policy's reasons, many times over. */
const MAX_BODY_BYTES = 64 * 1024;

/** A connection stands within this, TLS included. */
const CONNECT_TIMEOUT_MS = 3_000;

/** A whole answer. */
export type BufferedResponse = {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
};

export type Connection = {
  /**
   * Posts a form. The connection is kept for the next one.
   *
   * @throws ConnectionError when there is no whole answer
   */
  readonly post: (
    path: string,
    form: URLSearchParams,
    signal: AbortSignal,
  ) => Promise<BufferedResponse>;
  /**
   * Asks for an answer without an end, over a connection of its own: who was sent elsewhere must
   * not come back to where it was.
   *
   * @throws ConnectionError when there is no answer
   */
  readonly stream: (path: string, token: string, signal: AbortSignal) => Promise<IncomingMessage>;
  /** Lets go of connections that nobody uses: their replica may be ending. */
  readonly closeIdle: () => void;
};

/** TLS 1.3, by exactly the given roots: neither the system's, nor what the environment adds. */
export const createConnection = ({
  endpoint,
  roots,
}: Pick<AuthorityAccess, 'endpoint' | 'roots'>): Connection => {
  const trust = { ca: roots, rejectUnauthorized: true, minVersion: 'TLSv1.3' } as const;
  const agent = new Agent({ ...trust, keepAlive: true, maxFreeSockets: 1 });
  const buildUrl = (path: string): URL => new URL(path, endpoint);

  return {
    post: async (path, form, signal) => {
      const body = form.toString();
      const headers = {
        'Content-Type': 'application/x-www-form-urlencoded',
        'Content-Length': Buffer.byteLength(body),
      };
      const answer = await send(buildUrl(path), { method: 'POST', agent, headers, signal }, body);
      const { statusCode = 0, headers: answered } = answer;
      return { status: statusCode, headers: answered, body: await readText(answer) };
    },
    stream: (path, token, signal) => {
      const headers = { Authorization: `Bearer ${token}`, Accept: 'application/x-ndjson' };
      return send(buildUrl(path), { ...trust, agent: false, headers, signal });
    },
    closeIdle: () => {
      for (const sockets of Object.values(agent.freeSockets)) {
        for (const socket of sockets ?? []) socket.destroy();
      }
    },
  };
};

/** Whether the request may have been read is told by the socket: it writes once TLS stands. */
const send = (url: URL, options: RequestOptions, body?: string): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    let wasSent = false;
    const sent = request(url, options, resolve);
    const timer = setTimeout(
      () => sent.destroy(new ConnectionError('timeout', { wasSent })),
      CONNECT_TIMEOUT_MS,
    );
    timer.unref();
    const onConnected = (): void => {
      wasSent = true;
      clearTimeout(timer);
    };
    sent.on('socket', (socket) => {
      if (sent.reusedSocket) onConnected();
      else socket.once('secureConnect', onConnected);
    });
    // An answer that breaks off later tells its reader; here nobody listens any more.
    sent.on('error', (thrown) => {
      clearTimeout(timer);
      reject(toConnectionError(thrown, { wasSent }));
    });
    sent.end(body);
  });

/**
 * The whole of an answer.
 *
 * @throws ConnectionError when it breaks off or is too large
 */
export const readText = async (answer: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > MAX_BODY_BYTES) throw new ConnectionError('answer_too_large', { wasSent: true });
      chunks.push(chunk);
    }
  } catch (thrown) {
    throw toConnectionError(thrown, { wasSent: true });
  }
  return Buffer.concat(chunks).toString('utf8');
};
