import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent, type RequestOptions } from 'node:https';
import { urlToHttpOptions } from 'node:url';

import { ConnectionError, sendRequest, type BufferedResponse } from '../http/https-client.ts';
import type { KubernetesClient } from './kubernetes-client.ts';
import { toKubernetesError } from './kubernetes-error.ts';

export type ApiClientRequest = {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** Path and query at the API server; names in it are escaped. */
  readonly path: string;
  readonly body?: unknown;
  /** Media type of the response, of a request that takes another one than whole objects. */
  readonly accept?: string;
  /** Whether the call is idempotent. Default: every method except POST. */
  readonly isRepeatable?: boolean;
  /** Returns the body as text, which may have as many bytes, instead of JSON. */
  readonly maxTextBytes?: number;
  /** Receives the response, of any status, for calls that need its headers or its error message. */
  readonly onResponse?: (response: BufferedResponse) => void;
};

/**
 * Makes one call to the API server and returns its response, parsed from JSON and otherwise unchanged, or as text.
 *
 * @param culprit verb and object of the call, for the error
 * @throws KubernetesError
 */
export type ApiClient = (culprit: string, call: ApiClientRequest) => Promise<unknown>;

/** Long enough for a busy API server, short enough for a client that waits for a run. */
const TIMEOUT_MS = 5_000;
/** API servers close idle connections after 90 s or more. */
const IDLE_TIMEOUT_MS = 30_000;
/** Token and CA are files that change: the kubelet renews one, an administrator the other. */
const ACCESS_MAX_AGE_MS = 30_000;
const MAX_CONNECTIONS = 100;
/** A pod may have 3 MiB; lists have more. */
const MAX_RESPONSE_BYTES = 8 * 1024 * 1024;

type Access = {
  readonly options: RequestOptions;
  /** Absent: requests are sent with the agent of `options`. */
  readonly pool?: ApiPool | undefined;
  readonly readAt: number;
};

/** Pooled connections to the API server, which trust what the client's settings say. */
export type ApiPool = {
  readonly send: (request: {
    readonly method: string;
    readonly path: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly body?: string;
    readonly maxBodyBytes: number;
    readonly timeoutMs: number;
  }) => Promise<BufferedResponse>;
  readonly close: () => void;
};

export type ApiClientOptions = {
  readonly timeoutMs?: number;
  /** Sends requests with less CPU than agents. Not used behind the proxy of a kubeconfig. */
  readonly createPool?: (
    origin: string,
    options: {
      readonly trust: Trust;
      readonly maxConnections: number;
      readonly idleTimeoutMs: number;
    },
  ) => ApiPool;
};

/**
 * Creates a client for calls on the critical path of a run. The client library opens a new connection
 * for each call and drops unknown members of objects. This client reuses connections and keeps all
 * members.
 */
export const createApiClient = (
  { config }: Pick<KubernetesClient, 'config'>,
  { timeoutMs = TIMEOUT_MS, createPool }: ApiClientOptions = {},
): ApiClient => {
  const cluster = config.getCurrentCluster();
  const url = new URL(cluster?.server ?? '');
  const server = urlToHttpOptions(url);
  const isSecure = server.protocol === 'https:';
  // A user's API server may be below a path, or behind a proxy, which the library's agent handles.
  const base = url.pathname.replace(/\/$/, '');
  const agentFor = cacheByTrust((trust) =>
    isSecure ? new HttpsAgent({ ...AGENT, ...trust }) : new HttpAgent(AGENT),
  );
  const poolFor =
    createPool && cluster?.proxyUrl === undefined
      ? cacheByTrust((trust) => createPool(url.origin, { ...POOL, trust }), closePool)
      : undefined;
  let access: Access | undefined;
  const readAccess = async (): Promise<Access> => {
    const options: RequestOptions = {};
    await config.applyToHTTPSOptions(options);
    const readAt = performance.now();
    // Basic authentication is left to the agent.
    if (poolFor !== undefined && options.auth === undefined) {
      return { options, pool: poolFor(options), readAt };
    }
    const agent = cluster?.proxyUrl === undefined ? agentFor(options) : options.agent;
    return { options: { ...server, ...options, agent }, readAt };
  };
  return async (culprit, call) => {
    try {
      if (access === undefined || performance.now() - access.readAt > ACCESS_MAX_AGE_MS) {
        access = await readAccess();
      }
      const placed = { ...call, path: `${base}${call.path}` };
      const response = await send(placed, { timeoutMs, ...access });
      const { status, body } = response;
      call.onResponse?.(response);
      if (status === 401) access = undefined;
      if (status >= 200 && status < 300)
        return call.maxTextBytes === undefined ? parseJson(body) : body;
      throw Object.assign(new Error(`status ${status}`), { statusCode: status });
    } catch (error) {
      throw toKubernetesError(culprit, error);
    }
  };
};

/** The parser's message would quote the text, and a response may contain a token. */
const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('the response is not JSON');
  }
};

const TRUST = ['ca', 'cert', 'key', 'rejectUnauthorized', 'servername'] as const;
const AGENT = { keepAlive: true, timeout: IDLE_TIMEOUT_MS, maxSockets: MAX_CONNECTIONS };
const POOL = { maxConnections: MAX_CONNECTIONS, idleTimeoutMs: IDLE_TIMEOUT_MS };
const closePool = ({ close }: ApiPool): void => close();

type Trust = Pick<RequestOptions, (typeof TRUST)[number]>;

/** Reuses one agent or pool while CA and client certificate are unchanged. */
const cacheByTrust = <T>(
  create: (trust: Trust) => T,
  close: (old: T) => void = () => undefined,
): ((options: RequestOptions) => T) => {
  let cached: { readonly key: string; readonly value: T } | undefined;
  return (options) => {
    const trust = Object.fromEntries(
      TRUST.filter((name) => options[name] !== undefined).map((name) => [name, options[name]]),
    ) as Trust;
    const key = JSON.stringify(trust);
    if (cached?.key !== key) {
      if (cached !== undefined) close(cached.value);
      cached = { key, value: create(trust) };
    }
    return cached.value;
  };
};

type SendOptions = Pick<Access, 'options' | 'pool'> & { readonly timeoutMs: number };

/** Repeats a request once if a pooled connection was closed just before it was used. */
const send = async (call: ApiClientRequest, way: SendOptions): Promise<BufferedResponse> => {
  const isRepeatable = call.isRepeatable ?? call.method !== 'POST';
  try {
    return await sendOnce(call, way);
  } catch (thrown) {
    const isStale = thrown instanceof ConnectionError && thrown.isStaleConnection;
    if (!isStale || !isRepeatable) throw thrown;
    return sendOnce(call, way);
  }
};

const sendOnce = async (
  { method, path, body, accept, maxTextBytes }: ApiClientRequest,
  { options, pool, timeoutMs }: SendOptions,
): Promise<BufferedResponse> => {
  const text = body === undefined ? '' : JSON.stringify(body);
  const headers = {
    ...(options.headers as Record<string, string> | undefined),
    ...buildHeaders(method, Buffer.byteLength(text)),
    ...(accept !== undefined && { Accept: accept }),
  };
  const maxBodyBytes = maxTextBytes ?? MAX_RESPONSE_BYTES;
  if (pool !== undefined) {
    const sent = text === '' ? {} : { body: text };
    return pool.send({ method, path, headers, ...sent, maxBodyBytes, timeoutMs });
  }
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(), timeoutMs);
  try {
    const request = { ...options, path, method, headers, signal: timeout.signal };
    return await sendRequest(request, { body: text, maxBodyBytes });
  } finally {
    clearTimeout(timer);
  }
};

const buildHeaders = (method: string, length: number): Record<string, string> => ({
  // The cluster's keys have a media type of their own.
  Accept: 'application/json, application/jwk-set+json',
  // Node sends the body of a DELETE without its length unless it is set.
  ...(length > 0 && {
    'Content-Type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json',
    'Content-Length': String(length),
  }),
});
