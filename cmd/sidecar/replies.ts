import type { IncomingMessage, ServerResponse } from 'node:http';

import type { Answer } from '../../lib/credentials/answer.ts';
import type { LiveRun } from '../../lib/credentials/live-runs.ts';
import { endedMeanwhile, type Refusal } from '../../lib/credentials/refusal.ts';
import { renderStartedRun } from '../../lib/credentials/rendering.ts';
import { sendJson, sendNothing, sendRefusal } from '../../lib/edge/http/local-answers.ts';

/** One request; `route` is the name that metrics know, never the path as it was sent. */
export type Call = {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly route: string;
};

export type Replies = ReturnType<typeof openReplies>;

/** Every way to answer; each answer is counted. */
export const openReplies = ({
  handOut,
  countRequest,
}: {
  /** The last look before a run's credentials leave; false: they must not. */
  handOut: (run: LiveRun) => boolean;
  countRequest: (route: string, status: number) => void;
}) => {
  const json = ({ response, route }: Call, status: number, body: Buffer): void => {
    sendJson(response, status, body);
    countRequest(route, status);
  };

  const refusal = ({ response, route }: Call, refused: Refusal, extra?: string[]): void =>
    countRequest(route, sendRefusal(response, refused, extra));

  const nothing = ({ response, route }: Call): void => {
    sendNothing(response);
    countRequest(route, 204);
  };

  const credentials = (call: Call, answer: Answer): void => {
    if (answer.kind === 'refusal') refusal(call, answer);
    else if (!handOut(answer)) refusal(call, endedMeanwhile);
    else json(call, 200, answer.credentials);
  };

  const started = (call: Call, answer: Answer): void => {
    if (answer.kind === 'refusal') refusal(call, answer);
    else if (!handOut(answer)) refusal(call, endedMeanwhile);
    else json(call, 201, renderStartedRun({ ...answer, task: answer.task.name }));
  };

  return { json, refusal, nothing, credentials, started };
};
