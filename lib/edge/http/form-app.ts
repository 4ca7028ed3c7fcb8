import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';

import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express';

import { readFormBody, type HttpErrorCode } from './form-body.ts';
import { sendJsonResponse, type JsonResponse } from './json-response.ts';

/** A form as it came, not read yet, and the remote address as the socket tells it. */
export type FormRequest = { readonly form: string; readonly peer: string };

/** Begins an answer that stays open, or answers why not. */
export type StreamHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  peer: string,
) => Promise<JsonResponse | undefined>;

export type FormAppDeps = {
  /** By path: what a POST of a form is answered with; whatever it throws is a bug. */
  readonly posts: Readonly<Record<string, (call: FormRequest) => Promise<JsonResponse>>>;
  /** By path: what a GET is answered with. */
  readonly documents: Readonly<Record<string, () => JsonResponse | Promise<JsonResponse>>>;
  /** By path: who answers a GET, and may hold it open. */
  readonly streams: Readonly<Record<string, StreamHandler>>;
  /** Judges each request before anything of it is read but its head; an answer refuses it. */
  readonly guard: (peer: string) => JsonResponse | undefined;
  readonly refuse: (fault: HttpErrorCode, message: string) => JsonResponse;
  /** Answers for a bug, and records it. */
  readonly reportInternalError: (error: unknown) => JsonResponse;
};

/** Two tokens of 16 KiB at most, and details as long. */
const MAX_BODY_BYTES = 64 * 1024;

/** A request handler for forms over POST, documents and streams over GET, and nothing else. */
export const createFormApp = (parts: FormAppDeps): RequestListener => {
  const { posts, documents, streams, refuse } = parts;
  const app = express();
  app.disable('x-powered-by').disable('etag').set('query parser', false);
  app.enable('case sensitive routing').enable('strict routing');
  app.use(applyGuard(parts.guard));
  for (const [path, answer] of Object.entries(posts)) {
    app.post(path, async (request, response) => {
      const body = await readFormBody(request, MAX_BODY_BYTES);
      const peer = request.socket.remoteAddress ?? '';
      const { ok } = body;
      sendJsonResponse(
        response,
        ok ? await answer({ form: body.text, peer }) : refuse(body.code, body.message),
      );
    });
  }
  for (const [path, answer] of Object.entries(documents)) {
    app.get(path, async (_, response) => sendJsonResponse(response, await answer()));
  }
  for (const [path, stream] of Object.entries(streams)) {
    app.get(path, async (request, response) => {
      const peer = request.socket.remoteAddress ?? '';
      const answer = await stream(request, response, peer);
      if (answer !== undefined) sendJsonResponse(response, answer);
    });
  }
  refuseOtherMethods(app, parts);
  app.use((_, response) => sendJsonResponse(response, refuse('route_unknown', 'no such route')));
  app.use(createErrorHandler(parts.reportInternalError));
  return app;
};

const applyGuard =
  (guard: FormAppDeps['guard']): RequestHandler =>
  (request, response, next) => {
    const refusal = guard(request.socket.remoteAddress ?? '');
    if (refusal === undefined) next();
    else sendJsonResponse(response, refusal);
  };

const refuseOtherMethods = (
  app: Express,
  {
    posts,
    documents,
    streams,
    refuse,
  }: Pick<FormAppDeps, 'posts' | 'documents' | 'streams' | 'refuse'>,
): void => {
  const allowed = [
    ...Object.keys(posts).map((path) => [path, 'POST'] as const),
    ...Object.keys({ ...documents, ...streams }).map((path) => [path, 'GET, HEAD'] as const),
  ];
  for (const [path, allow] of allowed) {
    app.all(path, (_, response) => {
      const answer = refuse('method_not_allowed', `(method): expected ${allow}`);
      sendJsonResponse(response, { ...answer, headers: { ...answer.headers, Allow: allow } });
    });
  }
};

/** Whatever arrives here is a bug of ours. */
const createErrorHandler =
  (onBug: FormAppDeps['reportInternalError']): ErrorRequestHandler =>
  // eslint-disable-next-line @typescript-eslint/no-unused-vars -- Express counts the parameters
  (error: unknown, _request, response, _next) => {
    const answer = onBug(error);
    if (response.headersSent) response.destroy();
    else sendJsonResponse(response, answer);
  };
