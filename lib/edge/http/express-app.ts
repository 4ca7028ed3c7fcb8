import type { RequestListener } from 'node:http';

import express, { type ErrorRequestHandler, type RequestHandler, type Response } from 'express';

export type JsonAnswer = { readonly status: number; readonly body: object };

export type JsonApp = {
  /** By path: each takes the body of a POST, parsed; whatever it throws is a bug. */
  readonly posts: Readonly<Record<string, (body: unknown) => Promise<JsonAnswer>>>;
  /** What keeps the program from being ready; empty: it is. */
  readonly unready: () => readonly string[];
  /** Records a bug; answers the id by which its line is found. */
  readonly onBug: (error: unknown) => string;
};

/** The API server sends objects of up to 1.5 MiB, an update two of them. */
const MAX_BODY_BYTES = 3 * 1024 * 1024;

/** A request handler for JSON over POST, `/healthz` and `/readyz`, and nothing else. */
export const createJsonApp = ({ posts, unready, onBug }: JsonApp): RequestListener => {
  const app = express();
  app.disable('x-powered-by').disable('etag').set('query parser', false);
  const json = express.json({ limit: MAX_BODY_BYTES, inflate: false });
  for (const [path, answer] of Object.entries(posts)) {
    app.post(path, json, async (request, response) => send(response, await answer(request.body)));
  }
  app.get('/healthz', (_, response) => send(response, { status: 200, body: { status: 'ok' } }));
  app.get('/readyz', (_, response) => send(response, renderReadiness(unready())));
  app.use(notFound, refuse(onBug));
  return app;
};

const send = (response: Response, { status, body }: JsonAnswer): void => {
  response.status(status).set('Cache-Control', 'no-store').json(body);
};

const renderReadiness = (missing: readonly string[]): JsonAnswer =>
  missing.length === 0
    ? { status: 200, body: { status: 'ok' } }
    : { status: 503, body: { status: 'not ready', missing } };

const notFound: RequestHandler = (_, response) =>
  send(response, { status: 404, body: { message: 'no such route' } });

/** What the body parser refuses, by its `type`; all else that arrives here is a bug of ours. */
const REFUSALS: Readonly<Record<string, JsonAnswer | undefined>> = {
  'entity.too.large': refusal(413, `expected a body of at most ${MAX_BODY_BYTES} bytes`),
  'entity.parse.failed': refusal(400, '(body): expected JSON, got something else'),
  'encoding.unsupported': refusal(415, 'Content-Encoding: expected none'),
  'charset.unsupported': refusal(415, 'Content-Type: expected application/json in UTF-8'),
  'request.aborted': refusal(400, '(body): expected all of it'),
  'request.size.invalid': refusal(400, 'Content-Length: expected the length of the body'),
};

function refusal(status: number, message: string): JsonAnswer {
  return { status, body: { message } };
}

const refuse =
  (onBug: JsonApp['onBug']): ErrorRequestHandler =>
  // eslint-disable-next-line @typescript-eslint/no-unused-vars -- Express counts the parameters
  (error: unknown, _request, response, _next) => {
    const { type } = (error ?? {}) as { type?: unknown };
    const known = typeof type === 'string' ? REFUSALS[type] : undefined;
    const answer = known ?? refusal(500, `internal error ${onBug(error)}`);
    if (response.headersSent) response.destroy();
    else send(response, answer);
  };
