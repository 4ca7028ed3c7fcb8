import type { IncomingMessage } from 'node:http';
import { Agent, type RequestOptions } from 'node:https';
import { urlToHttpOptions } from 'node:url';

import { FOLLOW_HEADER, type AuthorityAccess } from '../../contract/authority-api.ts';
import { requestStream, sendRequest, type BufferedResponse } from '../http/https-client.ts';

/** A certificate bundle of 64 KiB, a secret of 16 KiB and what presents and releases it, in base64. */
export const MAX_BODY_BYTES = 256 * 1024;

/** Until a connection is established, TLS included. */
const CONNECT_TIMEOUT_MS = 3_000;

export type Connection = {
  /**
   * Posts a form over a pooled connection.
   *
   * @throws ConnectionError if there is no complete response
   */
  readonly post: (
    path: string,
    form: URLSearchParams,
    signal: AbortSignal,
    headers?: Readonly<Record<string, string>>,
  ) => Promise<BufferedResponse>;
  /**
   * Opens a response without an end, over a connection of its own: after `reconnect` the sidecar must
   * not return to the same replica.
   *
   * @throws ConnectionError if there is no response
   */
  readonly stream: (
    path: string,
    opening: { readonly token: string; readonly followed: readonly string[] },
    signal: AbortSignal,
  ) => Promise<IncomingMessage>;
  /** Closes idle connections: their replica may be shutting down. */
  readonly closeIdle: () => void;
};

/** Connects with TLS 1.3 and trusts only the given roots, not the system's or the environment's. */
export const createConnection = ({
  endpoint,
  roots,
}: Pick<AuthorityAccess, 'endpoint' | 'roots'>): Connection => {
  const trust = { ca: roots, rejectUnauthorized: true, minVersion: 'TLSv1.3' } as const;
  const agent = new Agent({ ...trust, keepAlive: true, maxFreeSockets: 1 });
  const toOptions = (path: string): RequestOptions => urlToHttpOptions(new URL(path, endpoint));

  return {
    post: (path, form, signal, more) => {
      const body = form.toString();
      const headers = {
        ...more,
        'Content-Type': 'application/x-www-form-urlencoded',
        'Content-Length': Buffer.byteLength(body),
      };
      return sendRequest(
        { ...toOptions(path), method: 'POST', agent, headers, signal },
        { body, connectTimeoutMs: CONNECT_TIMEOUT_MS, maxBodyBytes: MAX_BODY_BYTES },
      );
    },
    stream: (path, { token, followed }, signal) => {
      const headers = {
        Authorization: `Bearer ${token}`,
        Accept: 'application/x-ndjson',
        ...(followed.length > 0 && { [FOLLOW_HEADER]: followed.join(',') }),
      };
      return requestStream(
        { ...toOptions(path), ...trust, agent: false, headers, signal },
        { connectTimeoutMs: CONNECT_TIMEOUT_MS },
      );
    },
    closeIdle: () => {
      for (const sockets of Object.values(agent.freeSockets)) {
        for (const socket of sockets ?? []) socket.destroy();
      }
    },
  };
};
