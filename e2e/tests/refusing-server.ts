import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from '@jest/globals';
import { CALL_REFUSALS, isRefusalCode } from '../../lib/calls/call-refusals.ts';
import { chooseErrorFormat, renderRefusal } from '../../lib/calls/refusal-rendering.ts';

/** What a client raised: a line of the programs that call {@link startRefusingServer}. */
export type RaisedLine = {
  readonly code: string;
  readonly protocol: string;
  readonly service: string;
  readonly raised: Readonly<Record<string, unknown>> | null;
};

const MESSAGE = 's3:PutObject on arn:aws:s3:::acme-data/<ü>&"b" is outside task report';

/** Refuses each request with the code that its access key ID is. */
const createRefusingServer = (): Server =>
  createServer((request, response) => {
    const [, code = ''] = /Credential=([^/]+)\//.exec(String(request.headers.authorization)) ?? [];
    if (!isRefusalCode(code)) throw new Error('expected the code of a refusal as access key ID');
    const { status, headers, body } = renderRefusal(
      { code, message: MESSAGE },
      {
        format: chooseErrorFormat(request.headers, request.url),
        requestId: 'call-1',
        isHead: request.method === 'HEAD',
      },
    );
    request.resume();
    response.writeHead(status, { ...headers, 'content-length': body.length });
    response.end(body);
  });

/** Starts a server that renders refusals as the gateway does. */
export const startRefusingServer = async (): Promise<{ url: string; close: () => void }> => {
  const server = createRefusingServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, close: () => void server.close() };
};

export const refusalCodes: readonly string[] = Object.keys(CALL_REFUSALS);

export const parseRaisedLines = (output: string): readonly RaisedLine[] =>
  output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as RaisedLine);

/** Expects the exception of an SDK with our code, our message and the ID of the call. */
export const expectFullRefusal = ({ code, service, raised }: RaisedLine): void => {
  if (!isRefusalCode(code)) throw new Error(`expected the code of a refusal, got ${code}`);
  const { awsCode, status } = CALL_REFUSALS[code];
  expect({ service, ...raised }).toMatchObject({
    service,
    awsCode,
    status,
    message: `valetkey: ${MESSAGE} (${code})`,
    valetkeyCode: code,
    refusal: 'call-1',
    requestId: 'call-1',
  });
};
