import type { IncomingMessage, RequestListener } from 'node:http';

import type { Log } from '../../lib/contract/log.ts';
import type { AdmittedTasks } from '../../lib/contract/task.ts';
import type { Refusal } from '../../lib/credentials/refusal.ts';
import type { RunBook } from '../../lib/credentials/run-book.ts';
import type { SidecarConfig } from './config.ts';
import { consumerAnswers, type Action } from './consumer-answers.ts';
import { internalError, methodNotAllowed, unknownRoute } from './refusals.ts';
import { openReplies, type Call, type Replies } from './replies.ts';

export type RouteParts = {
  readonly admitted: AdmittedTasks;
  readonly trust: SidecarConfig['trust'];
  readonly book: RunBook;
  readonly countRequest: (route: string, status: number) => void;
  readonly log: Log;
};

type Route = { readonly method: string; readonly path: string; readonly action: Action };
type Match = { readonly route: Route; readonly name: string };

/** What matches no route is counted under this name. */
const OTHER = 'other';

/** What one consumer is answered, whichever listener its request came by. */
const consumerRoutes = (
  consumer: string,
  { replies, ...parts }: RouteParts & { replies: Replies },
): RequestListener => {
  const answers = consumerAnswers(consumer, { ...parts, replies });
  const match = matcher(parts.admitted, [
    { method: 'GET', path: '/v1/credentials', action: answers.credentials },
    { method: 'GET', path: '/v1/tasks', action: answers.tasks },
    { method: 'GET', path: '/v1/tasks/{task}/credentials', action: answers.taskCredentials },
    { method: 'POST', path: '/v1/tasks/{task}/runs', action: answers.startRun },
    { method: 'GET', path: '/v1/runs/{run}/credentials', action: answers.runCredentials },
    { method: 'DELETE', path: '/v1/runs/{run}', action: answers.completeRun },
  ]);
  return (request, response) => {
    const found = match(request.url ?? '');
    const call = { request, response, route: found?.route.path ?? OTHER };
    if (found === undefined) {
      replies.refusal(call, unknownRoute);
      return;
    }
    const { method, action } = found.route;
    if (request.method !== method) {
      replies.refusal(call, methodNotAllowed(method), ['Allow', method]);
      return;
    }
    perform(action, call, found.name, { replies, log: parts.log });
  };
};

/** A bug answers opaquely, and tells its kind to the log. */
const perform = (
  action: Action,
  call: Call,
  name: string,
  { replies, log }: { replies: Replies; log: Log },
): void => {
  const fail = (thrown: unknown): void => {
    const error = thrown instanceof Error ? thrown.name : typeof thrown;
    log.error('request failed unexpectedly', { route: call.route, error });
    if (call.response.headersSent) call.response.destroy();
    else replies.refusal(call, internalError);
  };
  try {
    const going = action(call, name);
    if (going instanceof Promise) going.catch(fail);
  } catch (thrown) {
    fail(thrown);
  }
};

/** Paths known beforehand cost one look-up; only runs and unknown tasks are matched by pattern. */
const matcher = (
  { tasks }: AdmittedTasks,
  routes: readonly Route[],
): ((path: string) => Match | undefined) => {
  const known = new Map<string, Match>();
  for (const route of routes) {
    if (!route.path.includes('{')) known.set(route.path, { route, name: '' });
    for (const { name } of tasks) {
      if (route.path.includes('{task}')) {
        known.set(route.path.replace('{task}', name), { route, name });
      }
    }
  }
  const patterns = routes
    .filter(({ path }) => path.includes('{'))
    .map((route) => ({ route, pattern: toPattern(route.path) }));
  return (path) => {
    const exact = known.get(path);
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

type Guard = (
  request: IncomingMessage,
) => { readonly kind: 'consumer'; readonly consumer: string } | Refusal;

/** Listeners for each consumer's socket, and one for the loopback that tells them apart by token. */
export const openRoutes = (
  parts: RouteParts,
): {
  socket: (consumer: string) => RequestListener;
  loopback: (guard: Guard) => RequestListener;
} => {
  const replies = openReplies({ ...parts, handOut: parts.book.handOut });
  const listeners = new Map(
    parts.admitted.consumers.map((consumer) => [
      consumer,
      consumerRoutes(consumer, { ...parts, replies }),
    ]),
  );
  const socket = (consumer: string): RequestListener =>
    listeners.get(consumer) ??
    ((request, response) => replies.refusal({ request, response, route: OTHER }, unknownRoute));
  return {
    socket,
    loopback: (guard) => (request, response) => {
      const who = guard(request);
      if (who.kind === 'consumer') {
        socket(who.consumer)(request, response);
        return;
      }
      replies.refusal({ request, response, route: OTHER }, who, ['Connection', 'close']);
    },
  };
};
