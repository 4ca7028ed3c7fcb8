import type { IncomingMessage } from 'node:http';

import type { RunRefusal } from '../../runs/run-refusal.ts';

const MAX_BODY_BYTES = 16 * 1024;

type Body = { readonly kind: 'body'; readonly value: unknown } | RunRefusal;

/** A JSON body of at most 16 KiB; a request without a body is `{}`. Never rejects. */
export const readLocalJsonBody = async (request: IncomingMessage): Promise<Body> => {
  const length = Number(request.headers['content-length'] ?? 0);
  const isChunked = request.headers['transfer-encoding'] !== undefined;
  if (length > MAX_BODY_BYTES) return bodyTooLarge;
  if (length === 0 && !isChunked) return { kind: 'body', value: {} };
  if (!isJson(request.headers['content-type'])) return contentTypeNotJson;
  try {
    const bytes = await readBytes(request);
    return bytes === undefined
      ? bodyTooLarge
      : { kind: 'body', value: JSON.parse(bytes.toString()) };
  } catch {
    return bodyMalformed;
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

const buildRefusal = (code: string, message: string): RunRefusal => ({
  kind: 'refusal',
  nature: 'refused',
  code,
  message,
});

const bodyTooLarge = buildRefusal('body_too_large', `A body has at most ${MAX_BODY_BYTES} bytes.`);
const contentTypeNotJson = buildRefusal('not_json', 'A body is application/json.');
const bodyMalformed = buildRefusal('bad_request', 'The body is no JSON.');
