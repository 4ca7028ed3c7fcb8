import { CALL_REFUSALS, type CallRefusal } from './call-refusals.ts';
import type { RenderedRefusal } from './refusal-rendering.ts';

/** The shapes of errors that clients of HTTP APIs parse. */
export type HttpErrorFormat = 'plain' | 'openai' | 'anthropic' | 'git' | 'vault';

const renderBody = (format: HttpErrorFormat, code: string, text: string): string => {
  switch (format) {
    case 'openai':
      return JSON.stringify({ error: { message: text, type: 'valetkey', param: null, code } });
    case 'anthropic':
      return JSON.stringify({ type: 'error', error: { type: code, message: text } });
    case 'vault':
      return JSON.stringify({ errors: [text] });
    case 'git':
      return `${text}\n`;
    case 'plain':
      return JSON.stringify({ error: { code, message: text } });
  }
};

/**
 * Renders a refusal for a client of an HTTP API. Git asks for credentials only after a 401 with
 * `WWW-Authenticate: Basic`.
 *
 * @param isHead whether the response has no body
 */
export const renderHttpRefusal = (
  { code, message }: CallRefusal,
  { format, isHead }: { format: HttpErrorFormat; isHead: boolean },
): RenderedRefusal => {
  const row = CALL_REFUSALS[code];
  const body = Buffer.from(renderBody(format, code, `valetkey: ${message} (${code})`));
  const headers = {
    'x-valetkey-code': code,
    'content-type': format === 'git' ? 'text/plain; charset=utf-8' : 'application/json',
    // An SDK that repeats a refusal would only be refused again.
    ...('retryAfter' in row
      ? { 'retry-after': String(row.retryAfter) }
      : { 'x-should-retry': 'false' }),
    ...(row.status === 401 && {
      'www-authenticate': format === 'git' ? 'Basic realm="valetkey"' : 'Bearer realm="valetkey"',
    }),
  };
  return { status: row.status, headers, body: isHead ? Buffer.alloc(0) : body };
};
