import type { IncomingMessage, ServerResponse } from 'node:http';

import { CONSUMER_MOUNT_PATH } from '../../lib/contract/paths.ts';
import type { Task } from '../../lib/contract/task.ts';
import { sendJson, sendNoContent, sendRefusal } from '../../lib/edge/http/local-responses.ts';
import type { ActiveRun } from '../../lib/runs/active-runs.ts';
import {
  checkServable,
  type CredentialsResponse,
  type RequestOrigin,
} from '../../lib/runs/credentials-request.ts';
import { renderStartedGatewayRun, renderStartedRun } from '../../lib/runs/rendering.ts';
import { buildNoCredentialsRefusal } from '../../lib/runs/request-refusals.ts';
import type { RunResult } from '../../lib/runs/response-timeout.ts';
import type { RunRefusal } from '../../lib/runs/run-refusal.ts';
import { getSocketPort } from '../../lib/task/database-ports.ts';

/** One request. `route` is the label in metrics: a route's pattern, never the path that was sent. */
export type RouteRequest = {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly origin: RequestOrigin;
  readonly route: string;
};

/** The metrics label of requests that match no route or are not authenticated. */
export const OTHER_ROUTE = 'other';

/** The rest of a refused request is not read. */
export const CONNECTION_CLOSE: readonly string[] = ['Connection', 'close'];

export type ResponseDeps = {
  /** See {@link RunRegistry.markServed}. */
  readonly markServed: (run: ActiveRun) => boolean;
  readonly countRequest: (route: string, status: number) => void;
  /** Origin of the gateway: `http://127.0.0.1:9473`. */
  readonly getGatewayOrigin: () => string;
  /** Of the pod. */
  readonly tasks: readonly Task[];
};

const isApprovalPending = (result: RunResult): result is RunRefusal =>
  result.kind === 'refusal' && result.origin === 'exchange' && result.code === 'approval_pending';

export type Responses = ReturnType<typeof createResponses>;

/** Creates the functions that send responses and count them. */
export const createResponses = ({
  markServed,
  countRequest,
  getGatewayOrigin,
  tasks,
}: ResponseDeps) => {
  const json = ({ response, route }: RouteRequest, status: number, body: Buffer): void => {
    sendJson(response, status, body);
    countRequest(route, status);
  };

  const refusal = (
    { response, route }: RouteRequest,
    refused: RunRefusal,
    headers?: readonly string[],
  ): void => countRequest(route, sendRefusal(response, refused, { headers }));

  const unauthenticated = (request: RouteRequest, refused: RunRefusal): void =>
    refusal({ ...request, route: OTHER_ROUTE }, refused, CONNECTION_CLOSE);

  const noContent = ({ response, route }: RouteRequest): void => {
    sendNoContent(response);
    countRequest(route, 204);
  };

  const credentials = (request: RouteRequest, response: CredentialsResponse): void => {
    if (response.kind === 'credentials') json(request, 200, response.body);
    else if (response.kind === 'refusal') refusal(request, response);
    else unauthenticated(request, response.refusal);
  };

  const sendRun = (
    request: RouteRequest,
    result: RunResult,
    send: (run: ActiveRun) => void,
  ): void => {
    const refused = result.kind === 'refusal' ? result : checkServable(result, { markServed });
    if (refused !== undefined) refusal(request, refused);
    else if (result.kind === 'run') send(result);
  };

  const run = (request: RouteRequest, result: RunResult): void =>
    sendRun(request, result, (active) => {
      if (active.task.provider === 'aws') json(request, 200, active.credentials);
      else refusal(request, buildNoCredentialsRefusal(active.task));
    });

  const renderStarted = (active: ActiveRun): Buffer => {
    const { run: id, expiresAt } = active;
    const { name: task, provider } = active.task;
    if (provider === 'aws') return renderStartedRun({ ...active, task });
    const access =
      provider === 'http'
        ? { baseUrl: `${getGatewayOrigin()}/r/${id}` }
        : { host: CONSUMER_MOUNT_PATH, port: getSocketPort(tasks, task), user: id };
    return renderStartedGatewayRun({ run: id, task, expiresAt, ...access });
  };

  /** While people have not decided, the same request again collects the run. */
  const accepted = ({ response, route }: RouteRequest, pending: RunRefusal): void =>
    countRequest(route, sendRefusal(response, pending, { status: 202 }));

  const started = (request: RouteRequest, result: RunResult): void =>
    isApprovalPending(result)
      ? accepted(request, result)
      : sendRun(request, result, (active) => json(request, 201, renderStarted(active)));

  return { json, refusal, unauthenticated, noContent, credentials, run, started };
};
