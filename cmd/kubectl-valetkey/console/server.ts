import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { FORM_TYPE, readTextBody } from '../../../lib/edge/http/form-body.ts';
import {
  closeListener,
  createLocalServer,
  listenOnAddress,
} from '../../../lib/edge/http/local-listener.ts';
import { KubernetesError } from '../../../lib/edge/kubernetes/kubernetes-error.ts';
import { ToolError } from '../tool-error.ts';
import { formatApiError } from '../api-errors.ts';
import {
  NOTICES,
  PageError,
  type ConsoleContext,
  type Notice,
  type Page,
  type ViewName,
} from './console-context.ts';
import { renderDocument, renderProblems } from './layout.ts';
import { html } from './html.ts';
import { findRoute, type MatchedRoute } from './routes.ts';
import { STYLE } from './style.ts';

export type ConsoleServer = {
  /** Address of the first page, with the key. */
  readonly url: string;
  readonly close: () => Promise<void>;
};

export type ConsoleServerDeps = {
  readonly context: ConsoleContext;
  /** When the session ends at the latest; milliseconds since the epoch. */
  readonly endsAt: number;
  /** A request with the key arrived. */
  readonly onRequest: () => void;
  /** Something failed that is neither the user's nor the API server's fault. */
  readonly onInternalError: (error: unknown) => void;
};

const HOST = '127.0.0.1';
const MAX_FORM_BYTES = 8 * 1024;
const LIMITS = {
  // Browsers send the cookies of every program on this host, which may be many.
  headerBytes: 64 * 1024,
  requestMs: 10_000,
  idleMs: 60_000,
  // A page waits for the API server.
  stallMs: 180_000,
};

/**
 * On every response. `Referrer-Policy: no-referrer` would make browsers send `Origin: null` with forms.
 */
const HEADERS = {
  'Content-Security-Policy':
    "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Cache-Control': 'no-store',
  'Referrer-Policy': 'same-origin',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
};

/** Starts the console on a free port of the loopback address. */
export const startConsoleServer = async (deps: ConsoleServerDeps): Promise<ConsoleServer> => {
  const server = createLocalServer((request, response) => listener(request, response), LIMITS);
  await listenOnAddress(server, { host: HOST, port: 0, setting: 'console' });
  const authority = `${HOST}:${(server.address() as AddressInfo).port}`;
  const listener = createListener(deps, authority);
  return {
    url: `http://${authority}/${deps.context.session.key}/`,
    close: () => closeListener(server),
  };
};

const createListener =
  (deps: ConsoleServerDeps, authority: string): RequestListener =>
  (request, response) => {
    const target = findTarget(request, deps.context, authority);
    if (target === undefined) {
      sendNothing(response);
      return;
    }
    deps.onRequest();
    void answer({ request, response, target, authority }, deps).catch((error: unknown) => {
      deps.onInternalError(error);
      response.destroy();
    });
  };

type Target = {
  /** Below the key. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** `style`: the style sheet. */
  readonly route: MatchedRoute | 'style';
};

/** What a request asks for; undefined for another host, another key and another route. */
const findTarget = (
  { method = '', url = '', headersDistinct }: IncomingMessage,
  { session, isReadOnly }: ConsoleContext,
  authority: string,
): Target | undefined => {
  const hosts = headersDistinct['host'] ?? [];
  // A name that was rebound to this address is another host.
  if (hosts.length !== 1 || hosts[0] !== authority) return undefined;
  const [, key = '', path = '', query = ''] =
    /^\/([^/?#]*)(\/[^?#]*)(?:\?([^#]*))?$/.exec(url) ?? [];
  if (!session.isKey(key)) return undefined;
  const isStyle = path === '/style.css' && method === 'GET';
  const route = isStyle ? 'style' : findRoute({ method, path }, { isReadOnly });
  return route && { path, query: new URLSearchParams(query), route };
};

/** The answer to another key or route has no text: it says nothing about what runs here. */
const sendNothing = (response: ServerResponse): void =>
  void response.writeHead(404, { ...HEADERS, 'Content-Length': 0 }).end();

type Exchange = {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly target: Target;
  readonly authority: string;
};

const answer = async (exchange: Exchange, deps: ConsoleServerDeps): Promise<void> => {
  const { response, target } = exchange;
  if (target.route === 'style') {
    send(response, { type: 'text/css', text: STYLE });
    return;
  }
  const reply = await readReply(exchange, deps);
  if (reply === undefined) sendNothing(response);
  else if ('notice' in reply) {
    const { key } = deps.context.session;
    const location = `/${key}${reply.path}?notice=${reply.notice}`;
    response.writeHead(303, { ...HEADERS, Location: location, 'Content-Length': 0 }).end();
  } else sendPage(reply, exchange, deps);
};

const readReply = async (
  { request, target, authority }: Exchange,
  { context, onInternalError }: ConsoleServerDeps,
) => {
  const { path, query, route } = target;
  if (route === 'style') return undefined;
  const { handle, params } = route;
  try {
    const form =
      request.method === 'POST'
        ? await readForm({ request, path, authority }, context)
        : new URLSearchParams();
    return await handle({ path, params, query, form }, context);
  } catch (error) {
    return buildErrorPage(error, { path, onInternalError });
  }
};

/**
 * Reads a form that a page of this session contained.
 *
 * @throws PageError for any other
 */
const readForm = async (
  {
    request,
    path,
    authority,
  }: { readonly request: IncomingMessage; readonly path: string; readonly authority: string },
  { session }: ConsoleContext,
): Promise<URLSearchParams> => {
  const origins = request.headersDistinct['origin'] ?? [];
  if (origins.length !== 1 || origins[0] !== `http://${authority}`) {
    throw new PageError(403, ['Origin: expected a form of this console, got another']);
  }
  const body = await readTextBody(request, FORM_TYPE, MAX_FORM_BYTES);
  if (!body.ok) throw new PageError(400, [body.message]);
  const form = new URLSearchParams(body.text);
  const uid = form.get('uid') ?? '';
  if (!session.isCsrfToken(form.get('csrf') ?? '', { path, uid })) {
    throw new PageError(403, ['csrf: expected a form of this console, got another']);
  }
  return form;
};

const getView = (path: string): ViewName =>
  (['runs', 'approvals', 'proposals', 'decisions', 'policies', 'revocations'] as const).find(
    (name) => path.startsWith(`/${name}`),
  ) ?? 'overview';

const buildErrorPage = (
  error: unknown,
  { path, onInternalError }: { readonly path: string } & Pick<ConsoleServerDeps, 'onInternalError'>,
): Page => {
  const { status, lines } = describeError(error, onInternalError);
  return {
    view: getView(path),
    title: 'Not possible',
    status,
    content: html`${renderProblems('Why', lines)}`,
  };
};

const describeError = (
  error: unknown,
  onInternalError: (error: unknown) => void,
): { readonly status: number; readonly lines: readonly string[] } => {
  if (error instanceof PageError) return error;
  if (error instanceof ToolError) {
    return { status: 400, lines: error.lines.map((line) => line.replace(/^--/, '')) };
  }
  if (error instanceof KubernetesError) {
    const hint = 'The same command of kubectl valetkey may say more.';
    return { status: 502, lines: [`API server: ${formatApiError(error)}. ${hint}`] };
  }
  onInternalError(error);
  return { status: 500, lines: ['internal error: the terminal says more'] };
};

const sendPage = (
  page: Page,
  { response, target }: Exchange,
  { context, endsAt }: ConsoleServerDeps,
): void => {
  const { cluster, user, isReadOnly, session } = context;
  const frame = { base: `/${session.key}`, user, context: cluster.context, isReadOnly, endsAt };
  const text = renderDocument(page, frame, readNotice(target.query));
  send(response, { status: page.status ?? 200, type: 'text/html', text });
};

const readNotice = (query: URLSearchParams): Notice | undefined => {
  const given = query.get('notice') ?? '';
  return Object.hasOwn(NOTICES, given) ? (given as Notice) : undefined;
};

const send = (
  response: ServerResponse,
  { status = 200, type, text }: { status?: number; type: string; text: string },
): void => {
  const headers = {
    'Content-Type': `${type}; charset=utf-8`,
    'Content-Length': Buffer.byteLength(text),
  };
  response.writeHead(status, { ...HEADERS, ...headers }).end(text);
};
