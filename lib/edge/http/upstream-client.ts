import type { Readable } from 'node:stream';
import request from 'undici/lib/api/api-request.js';
import Pool from 'undici/lib/dispatcher/pool.js';

/** A request to a cloud, signed and complete. */
export type UpstreamRequest = {
  /** Scheme, host and port. */
  readonly origin: string;
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer | Readable | null;
  /** Aborts the request, and the response if it has begun. */
  readonly signal: AbortSignal;
};

export type UpstreamResponse = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Readable;
};

/** Sends a request. Redirects are not followed, and nothing is tried again. */
export type SendUpstream = (request: UpstreamRequest) => Promise<UpstreamResponse>;

export type UpstreamClient = { readonly send: SendUpstream; readonly close: () => Promise<void> };

export type UpstreamOptions = {
  /** PEM certificates trusted instead of the system's. */
  readonly caBundle?: string;
  readonly maxConnectionsPerOrigin?: number;
};

const CONNECT_TIMEOUT_MS = 10_000;
const IDLE_TIMEOUT_MS = 30_000;

/**
 * Creates a client with pooled connections. Responses may take as long as the run lasts: the caller
 * aborts them.
 */
export const createUpstreamClient = ({
  caBundle,
  maxConnectionsPerOrigin = 64,
}: UpstreamOptions = {}): UpstreamClient => {
  const pools = new Map<string, Pool>();
  const getPool = (origin: string): Pool => {
    const pool =
      pools.get(origin) ??
      new Pool(origin, {
        connections: maxConnectionsPerOrigin,
        pipelining: 1,
        headersTimeout: 0,
        bodyTimeout: 0,
        keepAliveTimeout: IDLE_TIMEOUT_MS,
        connect: {
          timeout: CONNECT_TIMEOUT_MS,
          minVersion: 'TLSv1.2',
          ...(caBundle === undefined ? {} : { ca: caBundle }),
        },
      });
    pools.set(origin, pool);
    return pool;
  };
  return {
    send: async ({ origin, method, path, headers, body, signal }) => {
      const response = await request.call(getPool(origin), {
        method,
        path,
        headers: Object.fromEntries(headers),
        body,
        signal,
      });
      return { status: response.statusCode, headers: response.headers, body: response.body };
    },
    close: async () => {
      await Promise.all([...pools.values()].map((pool) => pool.destroy()));
    },
  };
};
