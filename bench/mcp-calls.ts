import { text as readText } from 'node:stream/consumers';

import { MCP_KEY, startMcpGateway } from '../cmd/sidecar/fixtures/mcp-gateway.ts';
import { requireKey, startServer } from '../cmd/sidecar/fixtures/mcp-servers.ts';
import type { Bench } from './bench.ts';
import { measureCallLatency } from './call-latency.ts';
import type { Row } from './rows.ts';

const RESULT = { content: [{ type: 'text', text: 'x'.repeat(1024) }] };
const CALL = JSON.stringify({
  ...{ jsonrpc: '2.0', id: 1, method: 'tools/call' },
  params: { name: 'search', arguments: { query: 'gateway', limit: 10 } },
});

/**
 * How much later the answer of an MCP server comes through the gateway: tool calls one after the other,
 * beside the same calls to the server. All three run in this process, on loopback.
 */
export async function measureMcpCalls(bench: Bench): Promise<Row[]> {
  const server = await startServer(
    requireKey(MCP_KEY, (incoming, outgoing) => {
      void readText(incoming).then(() => {
        outgoing.writeHead(200, { 'content-type': 'application/json' });
        outgoing.end(JSON.stringify({ jsonrpc: '2.0', id: 1, result: RESULT }));
      });
    }),
  );
  const gateway = await startMcpGateway({ url: server.url, resources: ['tools/search'] });
  const types = {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
  };
  try {
    return await measureCallLatency(bench, {
      name: 'mcp, tools/call 1 KiB × 1',
      gateway: { url: gateway.base, headers: { ...types, ...gateway.authorize() } },
      direct: { url: server.url, headers: { ...types, authorization: `Bearer ${MCP_KEY}` } },
      body: CALL,
      isExpected: (text) => !text.includes('"isError"'),
      goalMs: 1,
    });
  } finally {
    await gateway.stop();
    gateway.remove();
    await server.close();
  }
}
