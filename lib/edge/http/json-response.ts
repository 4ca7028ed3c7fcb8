import type { ServerResponse } from 'node:http';

export type JsonResponse = {
  readonly status: number;
  /** Absent: an empty body. */
  readonly body?: object;
  readonly headers?: Readonly<Record<string, string>>;
};

/**
 * Sends a response that must not be cached, with its length instead of chunks. Node writes a text together with
 * the head, and a buffer after it.
 */
export const sendJsonResponse = (
  response: ServerResponse,
  { status, body, headers = {} }: JsonResponse,
): void => {
  const text = body === undefined ? '' : JSON.stringify(body);
  response.writeHead(status, {
    ...(body !== undefined && { 'Content-Type': 'application/json' }),
    'Cache-Control': 'no-store',
    'Content-Length': Buffer.byteLength(text),
    ...headers,
  });
  response.end(text);
};
