import { get, type RequestOptions } from 'node:https';
import type { IncomingMessage } from 'node:http';

import type { UserIssuer } from '../../contract/platform.ts';

const TIMEOUT_MS = 5_000;
const MAX_BYTES = 256 * 1024;

/**
 * The way to the JWKS of one issuer of users' tokens: by https alone, the issuer's CA bundle in place
 * of the public authorities where it has one. A redirect is not followed: it would lead to where the
 * platform did not say.
 *
 * @returns asks once, and throws where the answer is not 200 with JSON, whole within five seconds
 * @throws where `jwksUri` is no https URL
 */
export const openUserKeys = (
  { jwksUri, caBundle }: Pick<UserIssuer, 'jwksUri' | 'caBundle'>,
  timeoutMs = TIMEOUT_MS,
): (() => Promise<unknown>) => {
  const url = new URL(jwksUri);
  if (url.protocol !== 'https:')
    throw new Error(`expected a jwksUri of https:, got ${url.protocol}`);
  const options = { ...(caBundle !== undefined && { ca: caBundle }), agent: false } as const;
  return async () => {
    const signal = AbortSignal.timeout(timeoutMs);
    const answer = await ask(url, { ...options, signal, headers: { Accept: 'application/json' } });
    if (answer.statusCode !== 200) {
      answer.destroy();
      throw new Error(`get ${url.host} keys: expected status 200, got ${answer.statusCode ?? 0}`);
    }
    return JSON.parse(await readText(answer)) as unknown;
  };
};

const ask = (url: URL, options: RequestOptions): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    get(url, options, resolve).on('error', reject);
  });

const readText = async (answer: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BYTES) throw new Error(`expected keys of at most ${MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
};
