import type { IncomingMessage } from 'node:http';

import type { Refusal } from '../../credentials/refusal.ts';

const MAX_BODY_BYTES = 16 * 1024;

type Body = { readonly kind: 'body'; readonly value: unknown } | Refusal;

/** A JSON body of at most 16 KiB; a request without a body is `{}`. Never rejects. */
export const readJsonBody = async (request: IncomingMessage): Promise<Body> => {
  const length = Number(request.headers['content-length'] ?? 0);
  const isChunked = request.headers['transfer-encoding'] !== undefined;
  if (length > MAX_BODY_BYTES) return tooLarge;
  if (length === 0 && !isChunked) return { kind: 'body', value: {} };
  if (!isJson(request.headers['content-type'])) return notJson;
  try {
    const bytes = await readBytes(request);
    return bytes === undefined ? tooLarge : { kind: 'body', value: JSON.parse(bytes.toString()) };
  } catch {
    return malformed;
  }
};

const isJson = (contentType = ''): boolean =>
  /^application\/json(\s*;\s*charset="?utf-8"?)?$/i.test(contentType.trim());

const readBytes = async (request: IncomingMessage): Promise<Buffer | undefined> => {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_BODY_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
};

const refused = (code: string, message: string): Refusal => ({
  kind: 'refusal',
  nature: 'refused',
  code,
  message,
});

const tooLarge = refused('body_too_large', `A body has at most ${MAX_BODY_BYTES} bytes.`);
const notJson = refused('not_json', 'A body is application/json.');
const malformed = refused('bad_request', 'The body is no JSON.');
