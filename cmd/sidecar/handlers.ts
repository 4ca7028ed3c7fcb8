import { readLocalJsonBody } from '../../lib/edge/http/local-body.ts';
import type { Schedule } from '../../lib/contract/schedule.ts';
import type { DelegateRun } from '../../lib/edge/authority/run-decisions.ts';
import type { AdmittedTasks } from '../../lib/contract/task.ts';
import {
  authenticateConsumer,
  handleCredentialsRequest,
} from '../../lib/runs/credentials-request.ts';
import {
  buildBadRequestRefusal,
  buildMethodNotAllowedRefusal,
  delegationUnsupported,
  routeUnknown,
  runUnknown,
} from '../../lib/runs/request-refusals.ts';
import { chooseResponseTimeoutMs } from '../../lib/runs/response-timeout.ts';
import { renderDelegation, renderTaskList } from '../../lib/runs/rendering.ts';
import { toRunRefusal } from '../../lib/runs/run-refusal.ts';
import type { RunRegistry } from '../../lib/runs/run-registry.ts';
import { readStartRequest } from '../../lib/runs/start-request.ts';
import { findTask, listConsumerTasks } from '../../lib/runs/task-selection.ts';
import { read } from '../../lib/schema/reader.ts';
import { delegationDetails } from '../../lib/task/delegation-details.ts';
import type { SidecarConfig } from './config.ts';
import { createRefusalHandlers, type RefusalHandlerDeps } from './refusal-handlers.ts';
import { CONNECTION_CLOSE, type Responses, type RouteRequest } from './responses.ts';

/** Responds to a request; `name` is the task or run that its path names. */
export type RouteHandler = (request: RouteRequest, name: string) => void | Promise<void>;

export type HandlerDeps = RefusalHandlerDeps & {
  readonly admitted: AdmittedTasks;
  readonly trust: SidecarConfig['trust'];
  readonly registry: RunRegistry;
  readonly responses: Responses;
  readonly schedule: Schedule;
  /** Absent without an authority. */
  readonly delegate?: DelegateRun | undefined;
};

type ConsumerHandler = (
  request: RouteRequest,
  caller: { readonly consumer: string; readonly name: string },
) => void | Promise<void>;

/** Creates the handler of each route. Another consumer's task is refused; its runs do not exist. */
export const createHandlers = (deps: HandlerDeps) => {
  const { admitted, registry, responses } = deps;
  const refused = createRefusalHandlers(deps);

  const withConsumer =
    (handle: ConsumerHandler): RouteHandler =>
    (request, name) => {
      const caller = authenticateConsumer(request.origin);
      if (caller.kind === 'consumer') return handle(request, { consumer: caller.consumer, name });
      responses.unauthenticated(request, caller);
    };

  const serveCredentials = (request: RouteRequest, taskName: string | undefined) =>
    handleCredentialsRequest(
      { origin: request.origin, taskName, getTimeoutMs: () => readTimeoutMs(request) },
      deps,
      (response) => responses.credentials(request, response),
    );

  return {
    credentials: ((request) => serveCredentials(request, undefined)) satisfies RouteHandler,
    taskCredentials: serveCredentials satisfies RouteHandler,
    tasks: withConsumer((request, { consumer }) =>
      responses.json(request, 200, renderTaskList(listConsumerTasks(admitted, consumer))),
    ),
    startRun: withConsumer((request, caller) => startRun(request, caller, deps)),
    delegateRun: withConsumer((request, caller) => delegateRun(request, caller, deps)),
    runCredentials: withConsumer((request, { consumer, name }) =>
      responses.run(
        request,
        registry.getRun(consumer, name) ??
          registry.findRevocationRefusal(consumer, name) ??
          runUnknown,
      ),
    ),
    completeRun: withConsumer((request, { consumer, name }) =>
      registry.complete(consumer, name)
        ? responses.noContent(request)
        : responses.refusal(request, runUnknown),
    ),
    showRefusal: withConsumer(refused.showRefusal),
    propose: withConsumer(refused.propose),
    // Loaded on demand: most sidecars never serve it.
    apiDescription: withConsumer(async (request) => {
      const { SIDECAR_API } = await import('./api-description.ts');
      responses.json(request, 200, Buffer.from(JSON.stringify(SIDECAR_API)));
    }),
    unknownRoute: withConsumer((request) => responses.refusal(request, routeUnknown)),
    otherMethod: (allowed: string) =>
      withConsumer((request) =>
        responses.refusal(request, buildMethodNotAllowedRefusal(allowed), ['Allow', allowed]),
      ),
  };
};

const startRun = async (
  request: RouteRequest,
  { consumer, name }: { readonly consumer: string; readonly name: string },
  { admitted, trust, registry, responses }: HandlerDeps,
): Promise<void> => {
  const found = findTask(admitted, { consumer, taskName: name });
  if (found.kind === 'refusal') {
    responses.refusal(request, found);
    return;
  }
  const body = await readLocalJsonBody(request.request);
  if (body.kind === 'refusal') {
    responses.refusal(request, body, CONNECTION_CLOSE);
    return;
  }
  const { task } = found;
  const start = await readStartRequest(body.value, { consumer, task, trust });
  if (start.kind === 'refusal') {
    responses.refusal(request, start);
    return;
  }
  const result = await registry.startExplicitRun(start.request, readTimeoutMs(request));
  responses.started(request, result);
};

const delegateRun = async (
  request: RouteRequest,
  { consumer, name }: { readonly consumer: string; readonly name: string },
  { registry, responses, delegate }: HandlerDeps,
): Promise<void> => {
  const run = registry.getRun(consumer, name);
  if (run === undefined) {
    const revoked = registry.findRevocationRefusal(consumer, name);
    responses.refusal(request, revoked ?? runUnknown, CONNECTION_CLOSE);
    return;
  }
  const body = await readLocalJsonBody(request.request);
  if (body.kind === 'refusal') {
    responses.refusal(request, body, CONNECTION_CLOSE);
    return;
  }
  const details = read(delegationDetails, body.value);
  if (!details.ok) {
    responses.refusal(request, buildBadRequestRefusal(details.faults));
    return;
  }
  const { ticket } = run.oversight ?? {};
  if (delegate === undefined || ticket === undefined) {
    responses.refusal(request, delegationUnsupported);
    return;
  }
  // Before the request: its answer may be lost, and the handle be used nevertheless.
  run.hasDelegated = true;
  try {
    responses.json(request, 201, renderDelegation(await delegate(ticket, details.value)));
  } catch (thrown) {
    responses.refusal(request, toRunRefusal(thrown));
  }
};

/** How long the client of a request reads. */
const readTimeoutMs = ({ request }: RouteRequest): number =>
  chooseResponseTimeoutMs(request.headers['user-agent']);
