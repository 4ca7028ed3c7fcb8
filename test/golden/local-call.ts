import type { ServerResponse } from 'node:http';
import type { RouteRequest } from '../../cmd/sidecar/responses.ts';

/** A response in memory: status, headers and body; of a refusal only its code. */
export const createLocalCall = (consumer: string) => {
  const sent: { status?: number; headers?: readonly string[]; body?: unknown } = {};
  const response = {
    writeHead: (status: number, headers: readonly string[]) => {
      Object.assign(sent, { status, headers });
      return response;
    },
    end: (body?: Buffer) => void (sent.body = body?.toString()),
  };
  const call: RouteRequest = {
    request: undefined as never,
    response: response as unknown as ServerResponse,
    origin: { kind: 'socket', consumer },
    route: 'a-route',
  };
  const answer = (): unknown => {
    const { status, headers = [], body } = sent;
    const { Code, ...json } = JSON.parse((body as string | undefined) ?? '{}') as { Code?: string };
    const plain = headers.filter((_, index) => headers[index - (index % 2)] !== 'Content-Length');
    return Code === undefined ? [status, plain, json] : [status, plain, Code];
  };
  return { call, answer };
};
