import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { describe, expect, it } from '@jest/globals';

import { sendJsonResponse, type JsonResponse } from './json-response.ts';

const receive = async (sent: JsonResponse) => {
  const server = createServer((_, response) => sendJsonResponse(response, sent));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const { port } = server.address() as AddressInfo;
    const answer = await fetch(`http://127.0.0.1:${port}/`);
    const { status, headers } = answer;
    return { status, headers, bytes: Buffer.from(await answer.arrayBuffer()) };
  } finally {
    server.close();
  }
};

describe('sendJsonResponse', () => {
  it('states the length of the body in bytes, not in characters', async () => {
    const { status, headers, bytes } = await receive({ status: 403, body: { message: 'é € 🔑' } });
    expect(status).toBe(403);
    expect(headers.get('content-length')).toBe(String(bytes.length));
    expect(JSON.parse(bytes.toString())).toEqual({ message: 'é € 🔑' });
    expect(headers.get('cache-control')).toBe('no-store');
  });

  it('sends an empty body without a type', async () => {
    const { headers, bytes } = await receive({ status: 202, headers: { Allow: 'POST' } });
    expect([headers.get('content-length'), headers.get('content-type')]).toEqual(['0', null]);
    expect([headers.get('allow'), bytes.length]).toEqual(['POST', 0]);
  });
});
