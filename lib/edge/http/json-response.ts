import type { ServerResponse } from 'node:http';

export type JsonResponse = {
  readonly status: number;
  /** Absent: an empty body. */
  readonly body?: object;
  readonly headers?: Readonly<Record<string, string>>;
};

/** Sends a response that must not be cached, with its length instead of chunks. */
export const sendJsonResponse = (
  response: ServerResponse,
  { status, body, headers = {} }: JsonResponse,
): void => {
  const bytes = Buffer.from(body === undefined ? '' : JSON.stringify(body));
  response.writeHead(status, {
    ...(body !== undefined && { 'Content-Type': 'application/json' }),
    'Cache-Control': 'no-store',
    'Content-Length': bytes.length,
    ...headers,
  });
  response.end(bytes);
};
