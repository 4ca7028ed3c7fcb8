import { afterEach, describe, expect, it } from '@jest/globals';

import { createConformanceServer } from './fixtures/mcp-conformance-server.ts';
import { runConformance, startHeaderShim } from './fixtures/mcp-conformance.ts';
import { MCP_KEY, startMcpGateway } from './fixtures/mcp-gateway.ts';
import { createSessionListener, requireKey, startServer } from './fixtures/mcp-servers.ts';

const ends: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** Checks that differ, and why. */
const DIFFERENCES: Readonly<Record<string, string>> = {
  'dns-rebinding-protection localhost-host-rebinding-rejected':
    'the gateway refuses every request with Origin: a browser sends it, and no client in the pod',
  'dns-rebinding-protection localhost-host-valid-accepted':
    'as above, also for an Origin on this machine',
};

describe('the conformance suite of MCP, with every feature allowed', () => {
  it('has the same result with and without the gateway for each check, except those listed', async () => {
    const listener = requireKey(MCP_KEY, createSessionListener(createConformanceServer));
    const server = await startServer(listener);
    ends.push(server.close);
    const gateway = await startMcpGateway({
      url: server.url,
      resources: ['tools/*', 'resources/*', 'prompts/*'],
      rules: { mcp: { serverRequests: true } },
    });
    ends.push(gateway.remove, gateway.stop);
    const direct = await startHeaderShim(server.url, { authorization: `Bearer ${MCP_KEY}` });
    const through = await startHeaderShim(gateway.base, gateway.authorize());
    ends.push(direct.close, through.close);

    const expected = await runConformance(direct.url);
    const found = await runConformance(through.url);

    expect(expected.size).toBeGreaterThanOrEqual(40);
    expect([...found.keys()].sort()).toEqual([...expected.keys()].sort());
    const differing = [...expected].flatMap(([check, status]) =>
      found.get(check) === status ? [] : [check],
    );
    expect(differing.sort()).toEqual(Object.keys(DIFFERENCES).sort());
  });
});
