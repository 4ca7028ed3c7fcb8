import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { Agent, request, type RequestOptions } from 'node:https';

import type { AuthorityAccess } from '../../contract/authority.ts';
import { LinkFault, toLinkFault } from './link-fault.ts';

/** Room for a session token and a policy's reasons, many times over. */
const LONGEST_BODY = 64 * 1024;

/** A connection stands within this, TLS included. */
const CONNECT_MS = 3_000;

/** A whole answer. */
export type Reply = {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
};

export type Connection = {
  /**
   * Posts a form. The connection is kept for the next one.
   *
   * @throws LinkFault when there is no whole answer
   */
  readonly post: (path: string, form: URLSearchParams, signal: AbortSignal) => Promise<Reply>;
  /**
   * Asks for an answer without an end, over a connection of its own: who was sent elsewhere must
   * not come back to where it was.
   *
   * @throws LinkFault when there is no answer
   */
  readonly open: (path: string, token: string, signal: AbortSignal) => Promise<IncomingMessage>;
  /** Lets go of connections that nobody uses: their replica may be ending. */
  readonly forgetIdle: () => void;
};

/** TLS 1.3, by exactly the given roots: neither the system's, nor what the environment adds. */
export const openConnection = ({
  endpoint,
  roots,
}: Pick<AuthorityAccess, 'endpoint' | 'roots'>): Connection => {
  const trust = { ca: roots, rejectUnauthorized: true, minVersion: 'TLSv1.3' } as const;
  const agent = new Agent({ ...trust, keepAlive: true, maxFreeSockets: 1 });
  const urlOf = (path: string): URL => new URL(path, endpoint);

  return {
    post: async (path, form, signal) => {
      const body = form.toString();
      const headers = {
        'Content-Type': 'application/x-www-form-urlencoded',
        'Content-Length': Buffer.byteLength(body),
      };
      const answer = await send(urlOf(path), { method: 'POST', agent, headers, signal }, body);
      const { statusCode = 0, headers: answered } = answer;
      return { status: statusCode, headers: answered, body: await readText(answer) };
    },
    open: (path, token, signal) => {
      const headers = { Authorization: `Bearer ${token}`, Accept: 'application/x-ndjson' };
      return send(urlOf(path), { ...trust, agent: false, headers, signal });
    },
    forgetIdle: () => {
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
    const late = setTimeout(() => sent.destroy(new LinkFault('timeout', { wasSent })), CONNECT_MS);
    late.unref();
    const stands = (): void => {
      wasSent = true;
      clearTimeout(late);
    };
    sent.on('socket', (socket) => {
      if (sent.reusedSocket) stands();
      else socket.once('secureConnect', stands);
    });
    // An answer that breaks off later tells its reader; here nobody listens any more.
    sent.on('error', (thrown) => {
      clearTimeout(late);
      reject(toLinkFault(thrown, { wasSent }));
    });
    sent.end(body);
  });

/**
 * The whole of an answer.
 *
 * @throws LinkFault when it breaks off or is too large
 */
export const readText = async (answer: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > LONGEST_BODY) throw new LinkFault('answer_too_large', { wasSent: true });
      chunks.push(chunk);
    }
  } catch (thrown) {
    throw toLinkFault(thrown, { wasSent: true });
  }
  return Buffer.concat(chunks).toString('utf8');
};
