import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { getRequestId } from '../../async/request-context.ts';
import { identifyRequests } from './request-ids.ts';

let server: Server;
let url: string;
let seen: (string | undefined)[] = [];

beforeEach(async () => {
  seen = [];
  server = createServer(
    identifyRequests((_, response) => {
      setImmediate(() => {
        seen.push(getRequestId());
        response.writeHead(503, { 'Content-Length': 0 }).end();
      });
    }),
  ).listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

const ask = async (id?: string): Promise<string | null> =>
  (await fetch(url, id === undefined ? {} : { headers: { 'x-request-id': id } })).headers.get(
    'x-request-id',
  );

describe('identifyRequests', () => {
  it("keeps a client's well-formed ID, in the course of the request and on its answer", async () => {
    const id = '0197c0de-0000-4000-8000-00000000abcd';
    expect(await ask(id)).toBe(id);
    expect(seen).toEqual([id]);
  });

  it.each([undefined, 'short', 'x'.repeat(65), 'with space 1', '<script>alert', '-leading-hyphen'])(
    'replaces %j by an ID of its own',
    async (given) => {
      const id = await ask(given);
      expect(id).toMatch(/^[0-9a-f-]{36}$/);
      expect(seen).toEqual([id]);
    },
  );

  it('gives each request another ID, and none to what runs outside of requests', async () => {
    const ids = await Promise.all([ask(), ask(), ask()]);
    expect(new Set(ids).size).toBe(3);
    expect(new Set(seen)).toEqual(new Set(ids));
    expect(getRequestId()).toBeUndefined();
  });
});
