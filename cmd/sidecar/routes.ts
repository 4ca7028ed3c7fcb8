import type { IncomingMessage, RequestListener } from 'node:http';

import type { Log } from '../../lib/contract/log.ts';
import type { AdmittedTasks } from '../../lib/contract/task.ts';
import type { RunRefusal } from '../../lib/runs/run-refusal.ts';
import type { RunRegistry } from '../../lib/runs/run-registry.ts';
import type { SidecarConfig } from './config.ts';
import { createHandlers, type RouteHandler } from './handlers.ts';
import { internalError, buildMethodNotAllowedRefusal, routeUnknown } from './route-refusals.ts';
import { createResponses, type RouteRequest, type Responses } from './responses.ts';

export type RouteDeps = {
  readonly admitted: AdmittedTasks;
  readonly trust: SidecarConfig['trust'];
  readonly registry: RunRegistry;
  readonly countRequest: (route: string, status: number) => void;
  readonly log: Log;
};

type Route = { readonly method: string; readonly path: string; readonly handler: RouteHandler };
type Match = { readonly route: Route; readonly name: string };

/** What matches no route is counted under this name. */
const OTHER = 'other';

/** What one consumer is answered, whichever listener its request came by. */
const createConsumerRoutes = (
  consumer: string,
  { responses, ...parts }: RouteDeps & { responses: Responses },
): RequestListener => {
  const answers = createHandlers(consumer, { ...parts, responses });
  const match = createMatcher(parts.admitted, [
    { method: 'GET', path: '/v1/credentials', handler: answers.credentials },
    { method: 'GET', path: '/v1/tasks', handler: answers.tasks },
    { method: 'GET', path: '/v1/tasks/{task}/credentials', handler: answers.taskCredentials },
    { method: 'POST', path: '/v1/tasks/{task}/runs', handler: answers.startRun },
    { method: 'GET', path: '/v1/runs/{run}/credentials', handler: answers.runCredentials },
    { method: 'DELETE', path: '/v1/runs/{run}', handler: answers.completeRun },
  ]);
  return (request, response) => {
    const found = match(request.url ?? '');
    const call = { request, response, route: found?.route.path ?? OTHER };
    if (found === undefined) {
      responses.refusal(call, routeUnknown);
      return;
    }
    const { method, handler } = found.route;
    if (request.method !== method) {
      responses.refusal(call, buildMethodNotAllowedRefusal(method), ['Allow', method]);
      return;
    }
    runHandler(handler, call, found.name, { responses, log: parts.log });
  };
};

/** A bug answers opaquely, and tells its kind to the log. */
const runHandler = (
  action: RouteHandler,
  call: RouteRequest,
  name: string,
  { responses, log }: { responses: Responses; log: Log },
): void => {
  const fail = (thrown: unknown): void => {
    const error = thrown instanceof Error ? thrown.name : typeof thrown;
    log.error('request failed unexpectedly', { route: call.route, error });
    if (call.response.headersSent) call.response.destroy();
    else responses.refusal(call, internalError);
  };
  try {
    const going = action(call, name);
    if (going instanceof Promise) going.catch(fail);
  } catch (thrown) {
    fail(thrown);
  }
};

/** Paths known beforehand cost one look-up; only runs and unknown tasks are matched by pattern. */
const createMatcher = (
  { tasks }: AdmittedTasks,
  routes: readonly Route[],
): ((path: string) => Match | undefined) => {
  const exactMatches = new Map<string, Match>();
  for (const route of routes) {
    if (!route.path.includes('{')) exactMatches.set(route.path, { route, name: '' });
    for (const { name } of tasks) {
      if (route.path.includes('{task}')) {
        exactMatches.set(route.path.replace('{task}', name), { route, name });
      }
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

type AuthenticateRequest = (
  request: IncomingMessage,
) => { readonly kind: 'consumer'; readonly consumer: string } | RunRefusal;

/** Listeners for each consumer's socket, and one for the loopback that tells them apart by token. */
export const createRoutes = (
  parts: RouteDeps,
): {
  socket: (consumer: string) => RequestListener;
  loopback: (guard: AuthenticateRequest) => RequestListener;
} => {
  const responses = createResponses({ ...parts, markServed: parts.registry.markServed });
  const listeners = new Map(
    parts.admitted.consumers.map((consumer) => [
      consumer,
      createConsumerRoutes(consumer, { ...parts, responses }),
    ]),
  );
  const socket = (consumer: string): RequestListener =>
    listeners.get(consumer) ??
    ((request, response) => responses.refusal({ request, response, route: OTHER }, routeUnknown));
  return {
    socket,
    loopback: (guard) => (request, response) => {
      const who = guard(request);
      if (who.kind === 'consumer') {
        socket(who.consumer)(request, response);
        return;
      }
      responses.refusal({ request, response, route: OTHER }, who, ['Connection', 'close']);
    },
  };
};
