import type { IncomingMessage } from 'node:http';

import { readBody } from '../../async/body.ts';
import type { RunRefusal } from '../../runs/run-refusal.ts';

const MAX_BODY_BYTES = 16 * 1024;

type LocalBody = { readonly kind: 'body'; readonly value: unknown } | RunRefusal;

/** Reads a JSON body of at most 16 KiB; a request without a body is `{}`. Never rejects. */
export const readLocalJsonBody = async (request: IncomingMessage): Promise<LocalBody> => {
  const length = Number(request.headers['content-length'] ?? 0);
  const isChunked = request.headers['transfer-encoding'] !== undefined;
  if (length > MAX_BODY_BYTES) return bodyTooLarge;
  if (length === 0 && !isChunked) return { kind: 'body', value: {} };
  if (!isJson(request.headers['content-type'])) return contentTypeNotJson;
  const body = await readBody(request, { maxBytes: MAX_BODY_BYTES });
  if (body.kind === 'too_large') return bodyTooLarge;
  return body.kind === 'complete' ? parseJson(body.bytes) : bodyMalformed;
};

const isJson = (contentType = ''): boolean =>
  /^application\/json(\s*;\s*charset="?utf-8"?)?$/i.test(contentType.trim());

const parseJson = (bytes: Buffer): LocalBody => {
  try {
    return { kind: 'body', value: JSON.parse(bytes.toString()) };
  } catch {
    return bodyMalformed;
  }
};

const buildRefusal = (code: string, message: string): RunRefusal => ({
  kind: 'refusal',
  nature: 'refused',
  code,
  message,
});

const bodyTooLarge = buildRefusal(
  'body_too_large',
  `(body): expected at most ${MAX_BODY_BYTES} bytes.`,
);
const contentTypeNotJson = buildRefusal(
  'not_json',
  'Content-Type: expected application/json in UTF-8.',
);
const bodyMalformed = buildRefusal('bad_request', '(body): expected JSON, got something else.');
