import type { IncomingMessage } from 'node:http';

import { readBody } from '../../async/body.ts';

/** Errors of a request that are found before its content is read. */
export type HttpErrorCode =
  | 'route_unknown'
  | 'method_not_allowed'
  | 'body_incomplete'
  | 'body_too_large'
  | 'content_type_unsupported';

type TextBody =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly code: HttpErrorCode; readonly message: string };

/** What a route accepts. */
export type BodyType = {
  /** With its parameters, as the header has them. */
  readonly pattern: RegExp;
  /** For the refusal of another one. */
  readonly expected: string;
};

export const FORM_TYPE: BodyType = {
  pattern: /^application\/x-www-form-urlencoded(\s*;\s*charset="?utf-8"?)?\s*$/i,
  expected: 'application/x-www-form-urlencoded in UTF-8',
};

/** Reads the text of an uncompressed UTF-8 body; it is not parsed. Never rejects. */
export const readTextBody = async (
  request: IncomingMessage,
  { pattern, expected }: BodyType,
  maxBytes: number,
): Promise<TextBody> => {
  const { 'content-encoding': encoding = 'identity', 'content-type': type = '' } = request.headers;
  if (encoding.toLowerCase() !== 'identity') {
    return buildBodyError('content_type_unsupported', 'Content-Encoding: expected none');
  }
  if (!pattern.test(type)) {
    return buildBodyError('content_type_unsupported', `Content-Type: expected ${expected}`);
  }
  const body = await readBody(request, { maxBytes, drainExcess: true });
  if (body.kind === 'complete') return { ok: true, text: body.bytes.toString() };
  return body.kind === 'too_large'
    ? buildBodyError('body_too_large', `(body): expected at most ${maxBytes} bytes`)
    : buildBodyError('body_incomplete', '(body): expected all of it');
};

const buildBodyError = (code: HttpErrorCode, message: string): TextBody => ({
  ok: false,
  code,
  message,
});
