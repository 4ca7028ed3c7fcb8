import type { IncomingMessage } from 'node:http';

import { readBytes, BODY_TOO_LARGE } from './body-bytes.ts';

/** What can be wrong with a request before anybody looks at what it says. */
export type HttpErrorCode =
  | 'route_unknown'
  | 'method_not_allowed'
  | 'body_incomplete'
  | 'body_too_large'
  | 'content_type_unsupported';

type FormBody =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly code: HttpErrorCode; readonly message: string };

const FORM_TYPE = /^application\/x-www-form-urlencoded(\s*;\s*charset="?utf-8"?)?\s*$/i;

/** The text of a form in UTF-8, not compressed; its fields are not looked at. Never rejects. */
export const readFormBody = async (
  request: IncomingMessage,
  maxBytes: number,
): Promise<FormBody> => {
  const { 'content-encoding': encoding = 'identity', 'content-type': type = '' } = request.headers;
  if (encoding.toLowerCase() !== 'identity') {
    return buildBodyError('content_type_unsupported', 'Content-Encoding: expected none');
  }
  if (!FORM_TYPE.test(type)) {
    const expected = 'expected application/x-www-form-urlencoded in UTF-8';
    return buildBodyError('content_type_unsupported', `Content-Type: ${expected}`);
  }
  const bytes = await readBytes(request, maxBytes);
  if (bytes === undefined) return buildBodyError('body_incomplete', '(body): expected all of it');
  return bytes === BODY_TOO_LARGE
    ? buildBodyError('body_too_large', `(body): expected at most ${maxBytes} bytes`)
    : { ok: true, text: bytes.toString() };
};

const buildBodyError = (code: HttpErrorCode, message: string): FormBody => ({
  ok: false,
  code,
  message,
});
