import { text as readText } from 'node:stream/consumers';

import { HTTP_KEY, startHttpGateway } from '../cmd/sidecar/fixtures/http-gateway.ts';
import { requireKey, startServer } from '../cmd/sidecar/fixtures/mcp-servers.ts';
import type { Bench } from './bench.ts';
import { measureCallLatency } from './call-latency.ts';
import type { Row } from './rows.ts';

const PATH = '/v1/chat/completions';
const ANSWER = JSON.stringify({ choices: [{ message: { content: 'x'.repeat(1024) } }] });
const QUESTION = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'hello' }] });

/**
 * How much later the answer of an HTTP API comes through the gateway: calls of 1 KiB, beside the same calls
 * to the API. All three run in this process, on loopback.
 */
export async function measureHttpCalls(bench: Bench): Promise<Row[]> {
  const server = await startServer(
    requireKey(HTTP_KEY, (incoming, outgoing) => {
      void readText(incoming).then(() => {
        outgoing.writeHead(200, { 'content-type': 'application/json' }).end(ANSWER);
      });
    }),
  );
  const { origin } = new URL(server.url);
  const gateway = await startHttpGateway(origin);
  const types = { 'content-type': 'application/json', accept: 'application/json' };
  try {
    return await measureCallLatency(bench, {
      name: 'http, 1 KiB × 1',
      gateway: {
        url: `http://127.0.0.1:${gateway.gatewayPort}/t/chat${PATH}`,
        headers: { ...types, authorization: gateway.authorization },
      },
      direct: {
        url: `${origin}${PATH}`,
        headers: { ...types, authorization: `Bearer ${HTTP_KEY}` },
      },
      body: QUESTION,
      isExpected: (text) => text === ANSWER,
      goalMs: 0.5,
    });
  } finally {
    await gateway.stop();
    gateway.remove();
    await server.close();
  }
}
