import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';

import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express';

import { FORM_TYPE, readTextBody, type BodyType, type HttpErrorCode } from './form-body.ts';
import { sendJsonResponse, type JsonResponse } from './json-response.ts';

/** The unparsed form and the remote address of the socket. */
export type FormRequest = { readonly form: string; readonly peer: string };

/** Handles posts of another type than a form, and renders refusals in its own format. */
export type TextHandler = {
  readonly type: BodyType;
  readonly answer: (text: string) => Promise<JsonResponse>;
  readonly refuse: (code: HttpErrorCode, message: string) => JsonResponse;
};

/** Starts a response that stays open, or returns a refusal. */
export type StreamHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  peer: string,
) => Promise<JsonResponse | undefined>;

export type FormAppDeps = {
  /** By path: handlers of posted forms; anything thrown is an internal error. */
  readonly posts: Readonly<Record<string, (call: FormRequest) => Promise<JsonResponse>>>;
  /** By path: handlers of other posts. */
  readonly texts: Readonly<Record<string, TextHandler>>;
  /** By path: responses to GET. */
  readonly documents: Readonly<Record<string, () => JsonResponse | Promise<JsonResponse>>>;
  /** By path: handlers of GET that may keep the response open. */
  readonly streams: Readonly<Record<string, StreamHandler>>;
  /** Checks each request before its body is read; a response refuses the request. */
  readonly guard: (peer: string) => JsonResponse | undefined;
  readonly refuse: (code: HttpErrorCode, message: string) => JsonResponse;
  /** Records an internal error and returns its response. */
  readonly reportInternalError: (error: unknown) => JsonResponse;
};

/** Two tokens of at most 16 KiB each, and authorization details of the same size. */
const MAX_BODY_BYTES = 64 * 1024;

/** Creates a request handler for forms (POST), documents and streams (GET). */
export const createFormApp = (deps: FormAppDeps): RequestListener => {
  const { posts, texts, documents, streams, refuse } = deps;
  const app = express();
  app.disable('x-powered-by').disable('etag').set('query parser', false);
  app.enable('case sensitive routing').enable('strict routing');
  app.use(applyGuard(deps.guard));
  for (const [path, answer] of Object.entries(posts)) {
    app.post(path, async (request, response) => {
      const body = await readTextBody(request, FORM_TYPE, MAX_BODY_BYTES);
      const peer = request.socket.remoteAddress ?? '';
      sendJsonResponse(
        response,
        body.ok ? await answer({ form: body.text, peer }) : refuse(body.code, body.message),
      );
    });
  }
  for (const [path, { type, answer, refuse: refuseText }] of Object.entries(texts)) {
    app.post(path, async (request, response) => {
      const body = await readTextBody(request, type, MAX_BODY_BYTES);
      sendJsonResponse(
        response,
        body.ok ? await answer(body.text) : refuseText(body.code, body.message),
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
  refuseOtherMethods(app, deps);
  app.use((_, response) => sendJsonResponse(response, refuse('route_unknown', 'no such route')));
  app.use(createErrorHandler(deps.reportInternalError));
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
    texts,
    documents,
    streams,
    refuse,
  }: Pick<FormAppDeps, 'posts' | 'texts' | 'documents' | 'streams' | 'refuse'>,
): void => {
  const allowed = [
    ...Object.keys({ ...posts, ...texts }).map((path) => [path, 'POST'] as const),
    ...Object.keys({ ...documents, ...streams }).map((path) => [path, 'GET, HEAD'] as const),
  ];
  for (const [path, allow] of allowed) {
    app.all(path, (_, response) => {
      const answer = refuse('method_not_allowed', `(method): expected ${allow}`);
      sendJsonResponse(response, { ...answer, headers: { ...answer.headers, Allow: allow } });
    });
  }
};

/** Anything thrown by a handler is an internal error. */
const createErrorHandler =
  (report: FormAppDeps['reportInternalError']): ErrorRequestHandler =>
  // eslint-disable-next-line @typescript-eslint/no-unused-vars -- Express counts the parameters
  (error: unknown, _request, response, _next) => {
    const answer = report(error);
    if (response.headersSent) response.destroy();
    else sendJsonResponse(response, answer);
  };
