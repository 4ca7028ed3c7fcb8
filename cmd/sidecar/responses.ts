import type { IncomingMessage, ServerResponse } from 'node:http';

import type { RunResult } from '../../lib/runs/response-timeout.ts';
import type { ActiveRun } from '../../lib/runs/active-runs.ts';
import { runEndedBeforeUse, type RunRefusal } from '../../lib/runs/run-refusal.ts';
import { renderStartedRun } from '../../lib/runs/rendering.ts';
import { sendJson, sendNoContent, sendRefusal } from '../../lib/edge/http/local-responses.ts';

/** One request; `route` is the name that metrics know, never the path as it was sent. */
export type RouteRequest = {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly route: string;
};

export type Responses = ReturnType<typeof createResponses>;

/** Every way to answer; each answer is counted. */
export const createResponses = ({
  markServed,
  countRequest,
}: {
  /** The last look before a run's credentials leave; false: they must not. */
  markServed: (run: ActiveRun) => boolean;
  countRequest: (route: string, status: number) => void;
}) => {
  const json = ({ response, route }: RouteRequest, status: number, body: Buffer): void => {
    sendJson(response, status, body);
    countRequest(route, status);
  };

  const refusal = (
    { response, route }: RouteRequest,
    refused: RunRefusal,
    extra?: string[],
  ): void => countRequest(route, sendRefusal(response, refused, extra));

  const noContent = ({ response, route }: RouteRequest): void => {
    sendNoContent(response);
    countRequest(route, 204);
  };

  const credentials = (call: RouteRequest, answer: RunResult): void => {
    if (answer.kind === 'refusal') refusal(call, answer);
    else if (!markServed(answer)) refusal(call, runEndedBeforeUse);
    else json(call, 200, answer.credentials);
  };

  const started = (call: RouteRequest, answer: RunResult): void => {
    if (answer.kind === 'refusal') refusal(call, answer);
    else if (!markServed(answer)) refusal(call, runEndedBeforeUse);
    else json(call, 201, renderStartedRun({ ...answer, task: answer.task.name }));
  };

  return { json, refusal, noContent, credentials, started };
};
