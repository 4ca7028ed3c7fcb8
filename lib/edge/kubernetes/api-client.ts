import {
  Agent as HttpAgent,
  request as requestHttp,
  type ClientRequest,
  type IncomingMessage,
  type OutgoingHttpHeaders,
} from 'node:http';
import { Agent as HttpsAgent, request as requestHttps, type RequestOptions } from 'node:https';
import { urlToHttpOptions } from 'node:url';

import type { KubernetesClient } from './kubernetes-client.ts';
import { toKubernetesError } from './kubernetes-error.ts';

export type ApiClientRequest = {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** Path and query at the API server; names in it are escaped. */
  readonly path: string;
  readonly body?: unknown;
  /** Whether the call is idempotent. Default: every method except POST. */
  readonly isRepeatable?: boolean;
};

/**
 * Makes one call to the API server and returns its response, parsed from JSON and otherwise unchanged.
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

type Access = { readonly options: RequestOptions; readonly readAt: number };

/**
 * Creates a client for calls on the critical path of a run. The client library opens a new connection
 * for each call and drops unknown members of objects. This client reuses connections and keeps all
 * members.
 */
export const createApiClient = (
  { config }: Pick<KubernetesClient, 'config'>,
  timeoutMs = TIMEOUT_MS,
): ApiClient => {
  const cluster = config.getCurrentCluster();
  const url = new URL(cluster?.server ?? '');
  const server = urlToHttpOptions(url);
  const isSecure = server.protocol === 'https:';
  // A user's API server may be below a path, or behind a proxy, which the library's agent handles.
  const base = url.pathname.replace(/\/$/, '');
  const agentFor = createAgentCache(isSecure);
  let access: Access | undefined;
  const readAccess = async (): Promise<Access> => {
    const options: RequestOptions = {};
    await config.applyToHTTPSOptions(options);
    const agent = cluster?.proxyUrl === undefined ? agentFor(options) : options.agent;
    return { options: { ...server, ...options, agent }, readAt: performance.now() };
  };
  return async (culprit, call) => {
    try {
      if (access === undefined || performance.now() - access.readAt > ACCESS_MAX_AGE_MS) {
        access = await readAccess();
      }
      const request = { ...call, path: `${base}${call.path}` };
      const { status, text } = await send(request, {
        isSecure,
        timeoutMs,
        options: access.options,
      });
      if (status === 401) access = undefined;
      if (status >= 200 && status < 300) return parseJson(text);
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

/** Reuses one agent while CA and client certificate are unchanged. */
const createAgentCache = (isSecure: boolean): ((options: RequestOptions) => HttpAgent) => {
  const agentOptions = { keepAlive: true, timeout: IDLE_TIMEOUT_MS, maxSockets: MAX_CONNECTIONS };
  let cached: { readonly key: string; readonly agent: HttpAgent } | undefined;
  return (options) => {
    const trust = Object.fromEntries(TRUST.map((name) => [name, options[name]]));
    const key = JSON.stringify(trust);
    if (cached?.key !== key) {
      const agent = isSecure
        ? new HttpsAgent({ ...agentOptions, ...trust })
        : new HttpAgent(agentOptions);
      cached = { key, agent };
    }
    return cached.agent;
  };
};

type SendOptions = {
  readonly isSecure: boolean;
  readonly options: RequestOptions;
  readonly timeoutMs: number;
};
type ApiClientResponse = { readonly status: number; readonly text: string };

/** A reused connection may close at the moment of the call. Only then is the call repeated, once. */
const send = async (call: ApiClientRequest, options: SendOptions): Promise<ApiClientResponse> => {
  const isRepeatable = call.isRepeatable ?? call.method !== 'POST';
  const first = await sendOnce(call, options);
  return first === 'closed'
    ? throwIfClosed(isRepeatable ? await sendOnce(call, options) : first)
    : first;
};

const throwIfClosed = (response: ApiClientResponse | 'closed'): ApiClientResponse => {
  if (response !== 'closed') return response;
  throw Object.assign(new Error('the connection was closed'), { code: 'ECONNRESET' });
};

const sendOnce = (
  call: ApiClientRequest,
  options: SendOptions,
): Promise<ApiClientResponse | 'closed'> =>
  new Promise((resolve, reject) => {
    const text = call.body === undefined ? '' : JSON.stringify(call.body);
    const request = createRequest(call, options, Buffer.byteLength(text));
    const timer = setTimeout(() => {
      request.destroy(Object.assign(new Error('no response in time'), { code: 'ETIMEDOUT' }));
    }, options.timeoutMs);
    request.on('response', (response) => {
      readText(response).then((text) => {
        clearTimeout(timer);
        resolve({ status: response.statusCode ?? 0, text });
      }, reject);
    });
    request.on('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      if (request.reusedSocket && error.code === 'ECONNRESET') resolve('closed');
      else reject(error);
    });
    request.end(text);
  });

const createRequest = (
  { method, path }: ApiClientRequest,
  { isSecure, options }: SendOptions,
  length: number,
): ClientRequest => {
  const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
  const start = isSecure ? requestHttps : requestHttp;
  return start({
    ...options,
    ...{ path, method },
    headers: {
      ...(options.headers as OutgoingHttpHeaders | undefined),
      // The keys of the cluster have their own media type.
      Accept: 'application/json, application/jwk-set+json',
      // Without Content-Length, Node sends the body of a DELETE without a length.
      ...(length > 0 && { 'Content-Type': type, 'Content-Length': length }),
    },
  });
};

const readText = (response: IncomingMessage): Promise<string> =>
  new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > MAX_RESPONSE_BYTES) {
        response.destroy(new Error(`the response exceeds ${MAX_RESPONSE_BYTES} bytes`));
      }
      chunks.push(chunk);
    });
    response.on('end', () => resolve(Buffer.concat(chunks).toString()));
    response.on('error', reject);
  });
