import type { RequestListener } from 'node:http';

import express, { type ErrorRequestHandler, type RequestHandler } from 'express';

import { sendJsonResponse as send, type JsonResponse } from './json-response.ts';
import { readJsonBody } from './json-body.ts';

export type { JsonResponse } from './json-response.ts';

export type JsonAppDeps = {
  /** By path: handlers of parsed JSON bodies (POST); anything thrown is an internal error. */
  readonly posts: Readonly<Record<string, (body: unknown) => Promise<JsonResponse>>>;
  /** The conditions that are not met for readiness; empty: ready. */
  readonly unready: () => readonly string[];
  /** Records an internal error and returns the ID of its log line. */
  readonly reportInternalError: (error: unknown) => string;
};

/** The API server sends objects of up to 1.5 MiB, an update two of them. */
const MAX_BODY_BYTES = 3 * 1024 * 1024;

/** Creates a request handler for JSON (POST), `/healthz` and `/readyz`. */
export const createJsonApp = ({
  posts,
  unready,
  reportInternalError,
}: JsonAppDeps): RequestListener => {
  const app = express();
  app.disable('x-powered-by').disable('etag').set('query parser', false);
  for (const [path, answer] of Object.entries(posts)) {
    app.post(path, async (request, response) => {
      const body = await readJsonBody(request, MAX_BODY_BYTES);
      send(response, body.ok ? await answer(body.value) : buildErrorResponse(body));
    });
  }
  app.get('/healthz', (_, response) => send(response, { status: 200, body: { status: 'ok' } }));
  app.get('/readyz', (_, response) => send(response, renderReadiness(unready())));
  app.use(sendNotFound, createErrorHandler(reportInternalError));
  return app;
};

const buildErrorResponse = ({
  status,
  message,
}: {
  status: number;
  message: string;
}): JsonResponse => ({
  status,
  body: { message },
});

const renderReadiness = (missing: readonly string[]): JsonResponse =>
  missing.length === 0
    ? { status: 200, body: { status: 'ok' } }
    : { status: 503, body: { status: 'not ready', missing } };

const sendNotFound: RequestHandler = (_, response) =>
  send(response, buildErrorResponse({ status: 404, message: 'no such route' }));

/** Anything thrown by a handler is an internal error. */
const createErrorHandler =
  (report: JsonAppDeps['reportInternalError']): ErrorRequestHandler =>
  // eslint-disable-next-line @typescript-eslint/no-unused-vars -- Express counts the parameters
  (error: unknown, _request, response, _next) => {
    const answer = buildErrorResponse({ status: 500, message: `internal error ${report(error)}` });
    if (response.headersSent) response.destroy();
    else send(response, answer);
  };
