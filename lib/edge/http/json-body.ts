import type { IncomingMessage } from 'node:http';

import { readBytes, BODY_TOO_LARGE } from './body-bytes.ts';

/** A parsed body, or what was wrong with it: an HTTP status and a constant sentence. */
export type JsonBody =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly status: 400 | 413 | 415; readonly message: string };

/**
 * Reads a body of JSON in UTF-8, not compressed. What exceeds `maxBytes` is read to its end, since
 * the caller listens only then, but not kept. Never rejects.
 *
 * Express's own parser decodes by tables of character sets: with it an admission cost a tenth more.
 */
export const readJsonBody = async (
  request: IncomingMessage,
  maxBytes: number,
): Promise<JsonBody> => {
  const { 'content-encoding': encoding = 'identity', 'content-type': type = '' } = request.headers;
  if (encoding.toLowerCase() !== 'identity') {
    return buildBodyError(415, 'Content-Encoding: expected none');
  }
  if (!JSON_TYPE.test(type)) {
    return buildBodyError(415, 'Content-Type: expected application/json in UTF-8');
  }
  const bytes = await readBytes(request, maxBytes);
  if (bytes === undefined) return buildBodyError(400, '(body): expected all of it');
  return bytes === BODY_TOO_LARGE
    ? buildBodyError(413, `expected a body of at most ${maxBytes} bytes`)
    : parseJson(bytes);
};

const JSON_TYPE = /^application\/json(\s*;\s*charset="?utf-8"?)?\s*$/i;
const parseJson = (bytes: Buffer): JsonBody => {
  try {
    return { ok: true, value: JSON.parse(bytes.toString()) };
  } catch {
    return buildBodyError(400, '(body): expected JSON, got something else');
  }
};

const buildBodyError = (status: 400 | 413 | 415, message: string): JsonBody => ({
  ok: false,
  status,
  message,
});
