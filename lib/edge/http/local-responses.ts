import type { ServerResponse } from 'node:http';

import type { RunRefusal } from '../../runs/run-refusal.ts';
import { toHttpStatus } from './refusal-status.ts';

type Headers = readonly string[];
const NONE: Headers = [];

/** Sends rendered JSON that must not be cached. */
export const sendJson = (
  response: ServerResponse,
  status: number,
  body: Buffer,
  extra: Headers = NONE,
): void => {
  response.writeHead(status, [
    'Content-Type',
    'application/json',
    'Cache-Control',
    'no-store',
    'Content-Length',
    String(body.length),
    ...extra,
  ]);
  response.end(body);
};

/** Sends 204 No Content. */
export const sendNoContent = (response: ServerResponse): void => {
  response.writeHead(204, ['Cache-Control', 'no-store']).end();
};

/** Sends `{Code, Message}` and `Retry-After` in whole seconds; returns the status. */
export const sendRefusal = (
  response: ServerResponse,
  refusal: RunRefusal,
  {
    headers = NONE,
    status = toHttpStatus(refusal),
  }: { readonly headers?: Headers | undefined; readonly status?: number } = {},
): number => {
  const { retryAfterMs } = refusal;
  const wait =
    retryAfterMs === undefined ? NONE : ['Retry-After', String(Math.ceil(retryAfterMs / 1000))];
  sendJson(response, status, renderRefusal(refusal), [...wait, ...headers]);
  return status;
};

const renderRefusal = ({ code, message }: RunRefusal): Buffer =>
  Buffer.from(JSON.stringify({ Code: code, Message: message }));
