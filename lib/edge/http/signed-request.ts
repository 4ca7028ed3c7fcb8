import { urlToHttpOptions } from 'node:url';

import { readText, requestStream } from './https-client.ts';

/** A GET request whose headers contain its signature. */
export type SignedGet = {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** PEM certificates trusted instead of the public CAs. */
  readonly caBundle?: string;
};

const TIMEOUT_MS = 5_000;
const MAX_BODY_BYTES = 64 * 1024;

/**
 * Sends a signed GET request to a cloud, on a connection of its own. The body of a success is not read: the object
 * may be of any size.
 *
 * @throws ConnectionError if there is no complete response
 */
export const sendSignedGet = async ({
  url,
  headers,
  caBundle,
}: SignedGet): Promise<{ readonly status: number; readonly body: string }> => {
  const response = await requestStream({
    ...urlToHttpOptions(new URL(url)),
    ...(caBundle !== undefined && { ca: caBundle }),
    agent: false,
    method: 'GET',
    headers,
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const { statusCode: status = 0 } = response;
  if (status < 300) {
    response.destroy();
    return { status, body: '' };
  }
  return { status, body: await readText(response, MAX_BODY_BYTES) };
};
