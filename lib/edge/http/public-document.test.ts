import { createServer, type Server } from 'node:https';
import type { ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { afterEach, beforeAll, describe, expect, test } from '@jest/globals';

import {
  createCertificateAuthority,
  signLeaf,
  type CertificateAuthority,
  type Leaf,
} from '../../certificate/certificate-authority.ts';
import { toErrorLogFields } from '../../schema/error-log-fields.ts';
import { createPublicDocumentFetcher } from './public-document.ts';

let authority: CertificateAuthority;
let leaf: Leaf;
beforeAll(async () => {
  const terms = { now: Date.now(), lifetimeMs: 3_600_000 };
  authority = await createCertificateAuthority(terms);
  leaf = await signLeaf(authority, { ...terms, names: ['localhost'] });
});

const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

const startServer = async (handle: (answer: ServerResponse) => void) => {
  const headers: unknown[] = [];
  const server = createServer({ cert: leaf.certificate, key: leaf.key }, (request, answer) => {
    headers.push(request.headers['cache-control']);
    handle(answer);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `https://localhost:${(server.address() as AddressInfo).port}/jwks`;
  const read = createPublicDocumentFetcher({ url, caBundle: authority.certificate });
  return { headers, url, read };
};

describe('createPublicDocumentFetcher', () => {
  test("bypasses caches and returns the document's Cache-Control", async () => {
    const { read, headers } = await startServer((answer) =>
      answer.writeHead(200, { 'Cache-Control': 'public, max-age=300' }).end('{"keys":[]}'),
    );
    expect(await read()).toEqual({ text: '{"keys":[]}', cacheControl: 'public, max-age=300' });
    expect(headers).toEqual(['no-cache']);
  });

  test('returns no Cache-Control if there is none', async () => {
    const { read } = await startServer((answer) => answer.end('{}'));
    expect(await read()).toEqual({ text: '{}', cacheControl: undefined });
  });

  test('trusts only the CA bundle', async () => {
    const { url } = await startServer((answer) => answer.end('{}'));
    await expect(createPublicDocumentFetcher({ url })()).rejects.toThrow(/certificate/);
  });

  test('names the host and the certificate error in a message that may be logged', async () => {
    const { url } = await startServer((answer) => answer.end('{}'));
    const failure = await createPublicDocumentFetcher({ url })().catch((error: unknown) => error);
    expect(toErrorLogFields(failure)['error']).toMatch(
      /^get localhost:\d+: the server's certificate is not trusted \([A-Z_]+\)$/,
    );
  });

  test('rejects an http URL', () => {
    expect(() => createPublicDocumentFetcher({ url: 'http://localhost/jwks' })).toThrow(/https/);
  });

  const broken: [string, (answer: ServerResponse) => void, RegExp][] = [
    ['redirects', (answer) => answer.writeHead(302, { Location: '/' }).end(), /got 302/],
    ['has no document', (answer) => answer.writeHead(404).end('{}'), /got 404/],
    ['sends too much', (answer) => answer.end(' '.repeat(300_000)), /at most 262144 bytes/],
    ['aborts the response', (answer) => answer.write('{', () => answer.destroy()), /aborted/],
  ];
  test.each(broken)('fails if the server %s', async (_, handle, reason) => {
    const { read } = await startServer(handle);
    await expect(read()).rejects.toThrow(reason);
  });
});
