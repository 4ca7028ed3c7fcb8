import type { IncomingMessage, ServerResponse } from 'node:http';

import { sendJson, sendNoContent, sendRefusal } from '../../lib/edge/http/local-responses.ts';
import type { ActiveRun } from '../../lib/runs/active-runs.ts';
import {
  checkServable,
  type CredentialsResponse,
  type RequestOrigin,
} from '../../lib/runs/credentials-request.ts';
import { renderStartedHttpRun, renderStartedRun } from '../../lib/runs/rendering.ts';
import { buildNoCredentialsRefusal } from '../../lib/runs/request-refusals.ts';
import type { RunResult } from '../../lib/runs/response-timeout.ts';
import type { RunRefusal } from '../../lib/runs/run-refusal.ts';

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
};

export type Responses = ReturnType<typeof createResponses>;

/** Creates the functions that send responses and count them. */
export const createResponses = ({ markServed, countRequest, getGatewayOrigin }: ResponseDeps) => {
  const json = ({ response, route }: RouteRequest, status: number, body: Buffer): void => {
    sendJson(response, status, body);
    countRequest(route, status);
  };

  const refusal = (
    { response, route }: RouteRequest,
    refused: RunRefusal,
    headers?: readonly string[],
  ): void => countRequest(route, sendRefusal(response, refused, headers));

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
    const task = active.task.name;
    return active.task.provider === 'aws'
      ? renderStartedRun({ ...active, task })
      : renderStartedHttpRun({
          ...{ run: id, task, expiresAt },
          baseUrl: `${getGatewayOrigin()}/r/${id}`,
        });
  };

  const started = (request: RouteRequest, result: RunResult): void =>
    sendRun(request, result, (active) => json(request, 201, renderStarted(active)));

  return { json, refusal, unauthenticated, noContent, credentials, run, started };
};
