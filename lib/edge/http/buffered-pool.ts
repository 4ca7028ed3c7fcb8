import type { ConnectionOptions } from 'node:tls';

import type { Dispatcher } from 'undici';
import Pool from 'undici/lib/dispatcher/pool.js';

import { ConnectionError, toConnectionError, type BufferedResponse } from './https-client.ts';

/** How the certificate of a server is verified, and which one the client shows. */
type Trust = Pick<ConnectionOptions, 'ca' | 'cert' | 'key' | 'rejectUnauthorized' | 'servername'>;

type PooledRequest = {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Absent: no body. */
  readonly body?: string;
  readonly maxBodyBytes: number;
  /** Until the whole response has arrived. */
  readonly timeoutMs: number;
};

type BufferedPool = {
  /** @throws ConnectionError if there is no complete response. Redirects are not followed. */
  readonly send: (request: PooledRequest) => Promise<BufferedResponse>;
  /** Ends the connections when their requests have ended. */
  readonly close: () => void;
};

type PoolOptions = {
  readonly trust: Trust;
  readonly maxConnections: number;
  readonly idleTimeoutMs: number;
};

/** Codes of a connection that ended. If nothing of a response had arrived, it may have been an old one. */
const CLOSED = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE']);

/**
 * Sends small requests to one server over pooled connections, for less than half of the CPU of `node:https` with
 * an agent.
 *
 * @param origin scheme, host and port
 */
export const createBufferedPool = (
  origin: string,
  { trust, maxConnections, idleTimeoutMs }: PoolOptions,
): BufferedPool => {
  const pool = new Pool(origin, {
    connections: maxConnections,
    pipelining: 1,
    allowH2: false,
    // Each request has a timeout of its own.
    headersTimeout: 0,
    bodyTimeout: 0,
    keepAliveTimeout: idleTimeoutMs,
    connect: trust,
  });
  return {
    send: (request) => new Promise((...settle) => dispatch(pool, request, settle)),
    close: () => void pool.close(),
  };
};

type Settle = readonly [(response: BufferedResponse) => void, (error: ConnectionError) => void];

const dispatch = (
  pool: Pool,
  { method, path, headers, body, maxBodyBytes, timeoutMs }: PooledRequest,
  [resolve, reject]: Settle,
): void => {
  const chunks: Buffer[] = [];
  let [status, size, wasSent] = [0, 0, false];
  let head: BufferedResponse['headers'] = {};
  let controller: Dispatcher.DispatchController | undefined;
  let failure: ConnectionError | undefined;
  const fail = (error: ConnectionError): void => {
    failure ??= error;
    clearTimeout(timer);
    reject(failure);
    controller?.abort(failure);
  };
  const timer = setTimeout(() => fail(new ConnectionError('timeout', { wasSent })), timeoutMs);
  pool.dispatch(
    { method: method, path, headers, body: body ?? null },
    {
      onRequestStart: (started) => {
        controller = started;
        wasSent = true;
        if (failure !== undefined) started.abort(failure);
      },
      onResponseStart: (_, code, received) => {
        if (code >= 200) [status, head] = [code, received];
      },
      onResponseData: (_, chunk) => {
        size += chunk.length;
        if (size > maxBodyBytes) fail(new ConnectionError('response_too_large', { wasSent }));
        else chunks.push(chunk);
      },
      onResponseEnd: () => {
        clearTimeout(timer);
        resolve({ status, headers: head, body: Buffer.concat(chunks).toString('utf8') });
      },
      onResponseError: (_, error) => {
        const { code = '' } = error as { code?: string };
        const isStaleConnection = status === 0 && CLOSED.has(code);
        fail(toConnectionError(error, { wasSent, isStaleConnection }));
      },
    },
  );
};
