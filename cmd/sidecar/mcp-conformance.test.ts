import type { RequestListener } from 'node:http';

import { afterEach, describe, expect, it } from '@jest/globals';

import { createConformanceServer } from './fixtures/mcp-conformance-server.ts';
import { runConformance, startHeaderShim, type Revision } from './fixtures/mcp-conformance.ts';
import { MCP_KEY, startMcpGateway } from './fixtures/mcp-gateway.ts';
import { createSessionListener, requireKey, startServer } from './fixtures/mcp-servers.ts';
import { createStatelessConformanceListener } from './fixtures/mcp-stateless-conformance-server.ts';

const ends: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const ORIGIN =
  'the gateway refuses every request with Origin: a browser sends it, and no client in the pod';
const HEADERS =
  'the gateway writes these headers from the body, so that no server sees a missing or another one';
const METHODS =
  'the gateway refuses a method that it does not know itself, with status 200 as every refusal of a request';

/** Checks that differ in both revisions, and why. */
const BOTH = {
  'dns-rebinding-protection localhost-host-rebinding-rejected': ORIGIN,
  'dns-rebinding-protection localhost-host-valid-accepted': `${ORIGIN}; also an Origin on this machine`,
};

/** Checks that differ without sessions, and why. */
const STATELESS = {
  'http-header-validation sep-2243-server-reject-error-code': HEADERS,
  'http-header-validation sep-2243-server-reject-invalid-headers': HEADERS,
  'server-stateless sep-2575-http-server-header-mismatch-400': HEADERS,
  'server-stateless sep-2575-http-server-method-not-found-404': METHODS,
  'server-stateless sep-2575-http-server-method-not-found-404-resources-subscribe': `${METHODS}; the request names no resource`,
  'server-stateless sep-2575-http-server-method-not-found-404-resources-unsubscribe': `${METHODS}; the request names no resource`,
  'tasks-request-headers tasks-headers-reject-mismatched-method': HEADERS,
};

type Case = {
  readonly revision: Revision;
  readonly listener: () => RequestListener;
  readonly differences: Readonly<Record<string, string>>;
};

const CASES: readonly Case[] = [
  {
    revision: '2025-11-25',
    listener: () => createSessionListener(createConformanceServer),
    differences: BOTH,
  },
  {
    revision: '2026-07-28',
    listener: createStatelessConformanceListener,
    differences: { ...BOTH, ...STATELESS },
  },
];

describe('the conformance suite of MCP, with every feature allowed', () => {
  it.each(CASES)(
    'has the same result with and without the gateway for each check of $revision, except those listed',
    async ({ revision, listener, differences }) => {
      const server = await startServer(requireKey(MCP_KEY, listener()));
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

      const expected = await runConformance(direct.url, revision);
      const found = await runConformance(through.url, revision);

      expect(expected.size).toBeGreaterThanOrEqual(40);
      expect([...found.keys()].sort()).toEqual([...expected.keys()].sort());
      const differing = [...expected].flatMap(([check, status]) =>
        found.get(check) === status ? [] : [check],
      );
      expect(differing.sort()).toEqual(Object.keys(differences).sort());
    },
  );
});
