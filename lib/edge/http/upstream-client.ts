import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import request from 'undici/lib/api/api-request.js';
import Pool from 'undici/lib/dispatcher/pool.js';
import { isRefusalCode } from '../../calls/call-refusals.ts';
import { isCloudAddress } from './address-check.ts';
import {
  createUpstreamConnector,
  UpstreamError,
  type ConnectorDeps,
  type ConnectorOptions,
} from './upstream-connector.ts';

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

/** Gets a response piece by piece, as it arrives. */
export type ResponseReceiver = {
  /** What it throws aborts the request, and comes back by `onError`. */
  readonly onHead: (status: number, headers: UpstreamResponse['headers']) => void;
  /** @returns false: no more until `resume` is called */
  readonly onData: (chunk: Buffer) => boolean;
  readonly onEnd: () => void;
  /** Not called after `abort`. */
  readonly onError: (error: unknown) => void;
};

export type Forwarding = {
  /** Aborts the request, and the response if it has begun. */
  readonly abort: (reason: Error) => void;
  readonly resume: () => void;
};

/**
 * Sends a request as `send` does, without streams and signals for its response: they take more time than a
 * small response.
 */
export type ForwardUpstream = (
  request: Omit<UpstreamRequest, 'signal'>,
  receiver: ResponseReceiver,
) => Forwarding;

export type UpstreamClient = {
  readonly send: SendUpstream;
  readonly forward: ForwardUpstream;
  readonly countConnections: () => number;
  readonly close: () => Promise<void>;
};

export type UpstreamOptions = Omit<ConnectorOptions, 'maxConnections'> & {
  readonly maxConnectionsPerOrigin?: number;
  readonly maxConnections?: number;
};

const IDLE_TIMEOUT_MS = 30_000;

/** Codes of Node and OpenSSL for a certificate that is not trusted, has expired or is of another host. */
const CERTIFICATE_ERROR = /CERT|SIGNATURE|ALTNAME|ISSUER/;

/** Other errors are what the body of the request threw: they keep their own code. */
const toUpstreamError = (thrown: unknown, origin: string): unknown => {
  const { code } = thrown as { code?: unknown };
  if (typeof code !== 'string' || isRefusalCode(code)) return thrown;
  return CERTIFICATE_ERROR.test(code)
    ? new UpstreamError(
        'upstream_untrusted',
        `the certificate of ${origin} is not trusted (${code})`,
        code,
      )
    : new UpstreamError('upstream_unreachable', `${origin} did not answer (${code})`, code);
};

/**
 * Creates a client with pooled connections. Responses may take as long as the run lasts: the caller
 * aborts them.
 *
 * @returns `send` rejects with an {@link UpstreamError}, with what the body threw, or with the reason
 *   of the signal
 */
export const createUpstreamClient = (
  { maxConnectionsPerOrigin = 64, maxConnections = 256, ...options }: UpstreamOptions = {},
  deps: ConnectorDeps = { isAllowedAddress: isCloudAddress },
): UpstreamClient => {
  const { connect, countOpen } = createUpstreamConnector({ ...options, maxConnections }, deps);
  const pools = new Map<string, Pool>();
  const getPool = (origin: string): Pool => {
    const pool =
      pools.get(origin) ??
      new Pool(origin, {
        connections: maxConnectionsPerOrigin,
        pipelining: 1,
        allowH2: false,
        headersTimeout: 0,
        bodyTimeout: 0,
        keepAliveTimeout: IDLE_TIMEOUT_MS,
        connect,
      });
    pools.set(origin, pool);
    return pool;
  };
  const forward: ForwardUpstream = ({ origin, ...request }, receiver) => {
    let controller: Dispatcher.DispatchController | undefined;
    let reason: Error | undefined;
    getPool(origin).dispatch(request, {
      onRequestStart: (started) => {
        controller = started;
        if (reason !== undefined) started.abort(reason);
      },
      onResponseStart: (_, status, headers) => {
        if (status >= 200) receiver.onHead(status, headers);
      },
      onResponseData: (started, chunk) => {
        if (!receiver.onData(chunk)) started.pause();
      },
      onResponseEnd: receiver.onEnd,
      onResponseError: (_, error) => {
        if (reason === undefined) receiver.onError(toUpstreamError(error, origin));
      },
    });
    return {
      abort: (given) => {
        reason ??= given;
        controller?.abort(reason);
      },
      resume: () => controller?.resume(),
    };
  };
  return {
    forward,
    send: async ({ origin, method, path, headers, body, signal }) => {
      try {
        const response = await request.call(getPool(origin), {
          method,
          path,
          headers: Object.fromEntries(headers),
          body,
          signal,
        });
        return { status: response.statusCode, headers: response.headers, body: response.body };
      } catch (thrown) {
        throw signal.aborted ? thrown : toUpstreamError(thrown, origin);
      }
    },
    countConnections: countOpen,
    close: async () => {
      await Promise.all([...pools.values()].map((pool) => pool.destroy()));
    },
  };
};
