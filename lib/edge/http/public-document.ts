import type { RequestOptions } from 'node:https';
import { urlToHttpOptions } from 'node:url';

import { LoggableError } from '../../schema/loggable-error.ts';
import {
  ConnectionError,
  isCertificateError,
  sendRequest,
  type BufferedResponse,
} from './https-client.ts';

export type PublicDocument = {
  readonly text: string;
  /** Its `Cache-Control`. */
  readonly cacheControl: string | undefined;
};

const TIMEOUT_MS = 5_000;
const MAX_DOCUMENT_BYTES = 256 * 1024;

/**
 * Creates a function that fetches one public document over HTTPS. A CA bundle replaces the public
 * CAs. Redirects are not followed, because they would lead to a server that the platform did not name.
 *
 * @returns fetches once; throws if the status is not 200 or the response takes over five seconds
 * @throws Error if `url` is no https URL
 */
export const createPublicDocumentFetcher = (
  {
    url,
    caBundle,
  }: {
    readonly url: string;
    /** PEM. */
    readonly caBundle?: string;
  },
  timeoutMs = TIMEOUT_MS,
): (() => Promise<PublicDocument>) => {
  const target = new URL(url);
  const { protocol, host } = target;
  if (protocol !== 'https:') throw new Error(`expected a URL of https:, got ${protocol}`);
  const options: RequestOptions = {
    ...urlToHttpOptions(target),
    ...(caBundle !== undefined && { ca: caBundle }),
    agent: false,
    headers: { Accept: 'application/json', 'Cache-Control': 'no-cache' },
  };
  return async () => {
    const signal = AbortSignal.timeout(timeoutMs);
    const { status, headers, body } = await sendGet({ ...options, signal }, host);
    if (status !== 200) throw new LoggableError(`get ${host}: expected status 200, got ${status}`);
    return { text: body, cacheControl: headers['cache-control'] };
  };
};

const sendGet = async (options: RequestOptions, host: string): Promise<BufferedResponse> => {
  try {
    return await sendRequest(options, { maxBodyBytes: MAX_DOCUMENT_BYTES });
  } catch (thrown) {
    throw thrown instanceof ConnectionError
      ? new LoggableError(`get ${host}: ${formatError(thrown)}`, { cause: thrown })
      : thrown;
  }
};

const formatError = (error: ConnectionError): string => {
  if (isCertificateError(error)) return `the server's certificate is not trusted (${error.code})`;
  return error.code === 'response_too_large'
    ? `expected a document of at most ${MAX_DOCUMENT_BYTES} bytes, got more`
    : `no response, or it was aborted (${error.code})`;
};
