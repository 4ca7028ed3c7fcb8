import { request as requestHttp, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { request as requestHttps, type RequestOptions } from 'node:https';

import { readBody } from '../../async/body.ts';
import { SecretError } from '../../upstreams/secret-fetcher.ts';

/**
 * There is no complete response. It holds a code and neither message nor cause, because what Node
 * throws may contain the request and its tokens.
 */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError';
  /** The code of a system or TLS error; `timeout`, `response_too_large`. */
  readonly code: string;
  /** Whether the server may have read the request. */
  readonly wasSent: boolean;
  /** A pooled connection was closed before it returned anything of a response. */
  readonly isStaleConnection: boolean;

  constructor(code: string, { wasSent, isStaleConnection = false }: ConnectionProgress) {
    super(code);
    this.code = code;
    this.wasSent = wasSent;
    this.isStaleConnection = isStaleConnection;
  }
}

type ConnectionProgress = { readonly wasSent: boolean; readonly isStaleConnection?: boolean };

/** Converts what a request or a response threw. */
export const toConnectionError = (
  thrown: unknown,
  progress: ConnectionProgress,
): ConnectionError => {
  if (thrown instanceof ConnectionError) return thrown;
  const { name, code } = thrown as { name?: string; code?: string | number };
  if (name === 'AbortError' || name === 'TimeoutError') {
    return new ConnectionError('timeout', progress);
  }
  return new ConnectionError(typeof code === 'string' ? code : 'unknown', progress);
};

/** Whether the code is of an untrusted, expired or foreign certificate. */
export const isCertificateError = ({ code }: ConnectionError): boolean =>
  /CERT|SIGNATURE|ALTNAME|ISSUER/.test(code);

export type SendOptions = {
  readonly body?: string;
  /** Until the connection is established, TLS included. */
  readonly connectTimeoutMs?: number;
};

export type BufferedResponse = {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
};

/**
 * Sends one request over HTTP or HTTPS, as `options.protocol` says, and buffers the response.
 * `options.agent` pools connections. Redirects are not followed.
 *
 * @throws ConnectionError if there is no complete response
 */
export const sendRequest = async (
  options: RequestOptions,
  { maxBodyBytes, ...send }: SendOptions & { readonly maxBodyBytes: number },
): Promise<BufferedResponse> => {
  const response = await requestStream(options, send);
  const { statusCode: status = 0, headers } = response;
  return { status, headers, body: await readText(response, maxBodyBytes) };
};

/**
 * Sends one request and returns the response before its body is read.
 *
 * @throws ConnectionError if there is no response
 */
export const requestStream = (
  options: RequestOptions,
  { body, connectTimeoutMs }: SendOptions = {},
): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    let wasSent = false;
    const isSecure = options.protocol !== 'http:';
    const request = (isSecure ? requestHttps : requestHttp)(options, resolve);
    const timer =
      connectTimeoutMs === undefined
        ? undefined
        : setTimeout(
            () => request.destroy(new ConnectionError('timeout', { wasSent })),
            connectTimeoutMs,
          ).unref();
    const onConnected = (): void => {
      wasSent = true;
      clearTimeout(timer);
    };
    request.on('socket', (socket) => {
      if (request.reusedSocket) onConnected();
      else socket.once(isSecure ? 'secureConnect' : 'connect', onConnected);
    });
    // After the response started, its reader gets the error, and this promise is settled.
    request.on('error', (thrown: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      const isStaleConnection = request.reusedSocket && thrown.code === 'ECONNRESET';
      reject(toConnectionError(thrown, { wasSent, isStaleConnection }));
    });
    request.end(body);
  });

/**
 * Reads the whole body of a response as UTF-8.
 *
 * @throws ConnectionError if it is incomplete or has more than `maxBytes`
 */
export const readText = async (response: IncomingMessage, maxBytes: number): Promise<string> => {
  const body = await readBody(response, { maxBytes });
  if (body.kind === 'complete') return body.bytes.toString('utf8');
  response.destroy();
  throw body.kind === 'too_large'
    ? new ConnectionError('response_too_large', { wasSent: true })
    : toConnectionError(body.cause, { wasSent: true });
};

/** One request to an endpoint that an Upstream names, such as a token server. */
export type EndpointRequest = {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** PEM certificates trusted instead of the system's. */
  readonly caBundle?: string;
  readonly timeoutMs: number;
  readonly maxBodyBytes: number;
};

/**
 * Sends one request over HTTPS on a connection of its own. Redirects are not followed.
 *
 * @throws ConnectionError if there is no complete response; Error if `url` is no https URL
 */
export type SendToEndpoint = (request: EndpointRequest) => Promise<BufferedResponse>;

/** Code of a ConnectionError: the endpoint has an address that none may have. */
export const ADDRESS_REFUSED = 'address_refused';

/** Converts what {@link SendToEndpoint} threw. A refused address stays refused, however often it is tried. */
export const toSecretError = (culprit: string, { code }: ConnectionError): SecretError =>
  code === ADDRESS_REFUSED
    ? new SecretError(
        'provider_refused',
        `${culprit}: expected an address of another host, found one of this pod, of its node or of no host`,
      )
    : new SecretError('secret_unavailable', `${culprit}: no answer (${code})`);
