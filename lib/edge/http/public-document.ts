import type { IncomingMessage } from 'node:http';
import { get, type RequestOptions } from 'node:https';

export type PublicDocument = {
  readonly text: string;
  /** Its `Cache-Control`. */
  readonly cacheControl: string | undefined;
};

const TIMEOUT_MS = 5_000;
const MAX_DOCUMENT_BYTES = 256 * 1024;

/**
 * The way to one public document: by https alone, the CA bundle in place of the public authorities
 * where there is one. A redirect is not followed: it would lead to where the platform did not say.
 *
 * @returns asks once, and throws where the answer is not 200, whole within five seconds
 * @throws where `url` is no https URL
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
  const { protocol, host } = new URL(url);
  if (protocol !== 'https:') throw new Error(`expected a URL of https:, got ${protocol}`);
  const options = { ...(caBundle !== undefined && { ca: caBundle }), agent: false } as const;
  return async () => {
    const signal = AbortSignal.timeout(timeoutMs);
    const headers = { Accept: 'application/json', 'Cache-Control': 'no-cache' };
    const answer = await sendGet(url, { ...options, signal, headers });
    if (answer.statusCode !== 200) {
      answer.destroy();
      throw new Error(`get ${host}: expected status 200, got ${answer.statusCode ?? 0}`);
    }
    return { text: await readText(answer), cacheControl: answer.headers['cache-control'] };
  };
};

const sendGet = (url: string, options: RequestOptions): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    get(url, options, resolve).on('error', reject);
  });

const readText = async (answer: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_DOCUMENT_BYTES)
      throw new Error(`expected a document of at most ${MAX_DOCUMENT_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
};
