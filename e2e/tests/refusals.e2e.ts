import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CALL_REFUSALS, isRefusalCode } from '../../lib/calls/call-refusals.ts';
import { chooseErrorFormat, renderRefusal } from '../../lib/calls/refusal-rendering.ts';
import { buildPython, printBotocoreRefusals } from '../clients/client-builds.ts';

/** What a client of botocore raised. */
type Line = {
  readonly code: string;
  readonly protocol: string;
  readonly service: string;
  readonly raised: Readonly<Record<string, unknown>> | null;
};

const MESSAGE = 's3:PutObject on arn:aws:s3:::acme-data/<ü>&"b" is outside task report';

/** Refuses each request with the code that its access key ID is. */
const server = createServer((request, response) => {
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

describe('refusals, as botocore parses them', () => {
  let lines: readonly Line[] = [];

  beforeAll(async () => {
    const python = await buildPython((line) => process.stdout.write(`${line}\n`));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const codes = Object.keys(CALL_REFUSALS);
    const output = await printBotocoreRefusals(python, [`http://127.0.0.1:${port}`, ...codes]);
    lines = output
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Line);
  }, 300_000);

  afterAll(() => {
    server.close();
  });

  it('covers each protocol and each code', () => {
    expect(new Set(lines.map(({ code }) => code)).size).toBe(Object.keys(CALL_REFUSALS).length);
    expect(new Set(lines.map(({ protocol }) => protocol)).size).toBeGreaterThanOrEqual(10);
  });

  it('raises its own exception with our code, our message and the ID of the call', () => {
    for (const { code, protocol, service, raised } of lines) {
      if (!isRefusalCode(code) || protocol.endsWith('HEAD')) continue;
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
    }
  });

  it('has the status and the code in the headers of a response to HEAD', () => {
    const heads = lines.filter(({ protocol }) => protocol.endsWith('HEAD'));
    expect(heads).not.toEqual([]);
    for (const { code, raised } of heads) {
      if (!isRefusalCode(code)) continue;
      expect(raised).toMatchObject({ status: CALL_REFUSALS[code].status, valetkeyCode: code });
    }
  });
});
