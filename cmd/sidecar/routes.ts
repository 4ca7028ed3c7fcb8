import type { IncomingMessage, RequestListener } from 'node:http';

import { API_DESCRIPTION_PATH } from '../../lib/contract/paths.ts';
import type { Log } from '../../lib/contract/log.ts';
import type { Schedule } from '../../lib/contract/schedule.ts';
import type { AdmittedTasks } from '../../lib/contract/task.ts';
import type { AuthenticationResult, RequestOrigin } from '../../lib/runs/credentials-request.ts';
import { internalError } from '../../lib/runs/request-refusals.ts';
import type { RefusalMemory } from '../../lib/runs/refusal-memory.ts';
import type { RunRegistry } from '../../lib/runs/run-registry.ts';
import type { SidecarConfig } from './config.ts';
import { createHandlers, type HandlerDeps, type RouteHandler } from './handlers.ts';
import type { Propose } from './refusal-handlers.ts';
import { createResponses, OTHER_ROUTE, type Responses, type RouteRequest } from './responses.ts';

export type RouteDeps = {
  readonly admitted: AdmittedTasks;
  readonly trust: SidecarConfig['trust'];
  readonly registry: RunRegistry;
  readonly schedule: Schedule;
  readonly refusals: RefusalMemory;
  readonly propose?: Propose | undefined;
  readonly countRequest: (route: string, status: number) => void;
  readonly getGatewayOrigin: () => string;
  readonly delegate?: HandlerDeps['delegate'];
  readonly log: Log;
};

type Authenticate = (request: IncomingMessage) => AuthenticationResult;

/** Creates the listener of each consumer's socket and of the loopback address, which all share. */
export const createRoutes = (
  deps: RouteDeps,
): {
  socket: (consumer: string) => RequestListener;
  loopback: (authenticate: Authenticate) => RequestListener;
} => {
  const { admitted, trust, registry, schedule, countRequest, log, refusals, propose } = deps;
  const { markServed } = registry;
  const responses = createResponses({
    markServed,
    countRequest,
    getGatewayOrigin: deps.getGatewayOrigin,
    tasks: deps.admitted.tasks,
  });
  const route = createRouter({
    admitted,
    trust,
    registry,
    responses,
    schedule,
    refusals,
    propose,
    delegate: deps.delegate,
  });
  const handle = (
    request: IncomingMessage,
    response: RouteRequest['response'],
    origin: RequestOrigin,
  ): void => {
    const { pattern, handler, name } = route(request);
    const routed = { request, response, origin, route: pattern };
    runHandler(handler, routed, name, { responses, log });
  };
  return {
    socket: (consumer) => {
      const origin: RequestOrigin = { kind: 'socket', consumer };
      return (request, response) => handle(request, response, origin);
    },
    loopback: (authenticate) => (request, response) =>
      handle(request, response, { kind: 'loopback', authenticate: () => authenticate(request) }),
  };
};

type Match = { readonly pattern: string; readonly handler: RouteHandler; readonly name: string };

/** By method and path. `cmd/sidecar/api-description.ts` describes them. */
export const CONSUMER_ROUTES = [
  { method: 'GET', path: '/v1/credentials', handler: 'credentials' },
  { method: 'GET', path: '/v1/tasks', handler: 'tasks' },
  { method: 'GET', path: '/v1/tasks/{task}/credentials', handler: 'taskCredentials' },
  { method: 'POST', path: '/v1/tasks/{task}/runs', handler: 'startRun' },
  { method: 'GET', path: '/v1/runs/{run}/credentials', handler: 'runCredentials' },
  { method: 'POST', path: '/v1/runs/{run}/delegations', handler: 'delegateRun' },
  { method: 'DELETE', path: '/v1/runs/{run}', handler: 'completeRun' },
  { method: 'GET', path: '/v1/refusals/{id}', handler: 'showRefusal' },
  { method: 'POST', path: '/v1/proposals', handler: 'propose' },
  { method: 'GET', path: API_DESCRIPTION_PATH, handler: 'apiDescription' },
] as const;

/** Every handler authenticates the consumer first, also those of unknown routes and other methods. */
const createRouter = (deps: HandlerDeps): ((request: IncomingMessage) => Match) => {
  const handlers = createHandlers(deps);
  const match = createMatcher(
    deps.admitted,
    CONSUMER_ROUTES.map(({ handler, ...route }) => ({ ...route, handler: handlers[handler] })),
  );
  const unknown: Match = { pattern: OTHER_ROUTE, handler: handlers.unknownRoute, name: '' };
  return ({ method = '', url = '' }) => {
    const found = match(url);
    if (found === undefined) return unknown;
    const { name, route } = found;
    const handler = method === route.method ? route.handler : handlers.otherMethod(route.method);
    return { pattern: route.path, handler, name };
  };
};

/** An internal error returns no details; the log gets its name. */
const runHandler = (
  handler: RouteHandler,
  request: RouteRequest,
  name: string,
  { responses, log }: { responses: Responses; log: Log },
): void => {
  const fail = (thrown: unknown): void => {
    const error = thrown instanceof Error ? thrown.name : typeof thrown;
    log.error('request failed', { route: request.route, error });
    if (request.response.headersSent) request.response.destroy();
    else responses.refusal(request, internalError);
  };
  try {
    const pending = handler(request, name);
    if (pending instanceof Promise) pending.catch(fail);
  } catch (thrown) {
    fail(thrown);
  }
};

type Route = { readonly method: string; readonly path: string; readonly handler: RouteHandler };
type RouteMatch = { readonly route: Route; readonly name: string };

/** Paths of admitted tasks need one lookup; patterns match only run IDs and unknown tasks. */
const createMatcher = (
  { tasks }: AdmittedTasks,
  routes: readonly Route[],
): ((path: string) => RouteMatch | undefined) => {
  const exactMatches = new Map<string, RouteMatch>();
  for (const route of routes) {
    if (!route.path.includes('{')) exactMatches.set(route.path, { route, name: '' });
    if (!route.path.includes('{task}')) continue;
    for (const { name } of tasks) {
      exactMatches.set(route.path.replace('{task}', name), { route, name });
    }
  }
  const patterns = routes
    .filter(({ path }) => path.includes('{'))
    .map((route) => ({ route, pattern: toPattern(route.path) }));
  return (path) => {
    const exact = exactMatches.get(path);
    if (exact !== undefined) return exact;
    for (const { route, pattern } of patterns) {
      const name = pattern.exec(path)?.[1];
      if (name !== undefined) return { route, name };
    }
    return undefined;
  };
};

const toPattern = (path: string): RegExp =>
  new RegExp(`^${path.replace(/\{\w+\}/, '([A-Za-z0-9_-]{1,64})')}$`);
