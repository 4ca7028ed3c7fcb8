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
import { createUserJwksFetcher } from './user-jwks.ts';

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

const startIssuer = async (handle: (answer: ServerResponse, path: string) => void) => {
  const paths: string[] = [];
  const server = createServer({ cert: leaf.certificate, key: leaf.key }, ({ url = '' }, answer) => {
    paths.push(url);
    handle(answer, url);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { paths, jwksUri: `https://localhost:${(server.address() as AddressInfo).port}/keys` };
};

describe('createUserJwksFetcher', () => {
  test('fetches the keys over HTTPS from a server that the issuer’s CA bundle trusts', async () => {
    const { jwksUri, paths } = await startIssuer((answer) => answer.end('{"keys":[]}'));
    expect(await createUserJwksFetcher({ jwksUri, caBundle: authority.certificate })()).toEqual({
      keys: [],
    });
    expect(paths).toEqual(['/keys']);
  });

  test('refuses a server that the public CAs do not trust, without a CA bundle', async () => {
    const { jwksUri, paths } = await startIssuer((answer) => answer.end('{"keys":[]}'));
    await expect(createUserJwksFetcher({ jwksUri })()).rejects.toThrow(/certificate/);
    expect(paths).toEqual([]);
  });

  test('rejects an http URL', () => {
    expect(() => createUserJwksFetcher({ jwksUri: 'http://localhost/keys' })).toThrow(/https/);
  });

  const broken: [string, (answer: ServerResponse, path: string) => void, RegExp][] = [
    [
      'redirects',
      (answer, path) =>
        path === '/keys'
          ? answer.writeHead(302, { Location: '/other' }).end()
          : answer.end('{"keys":[]}'),
      /expected status 200, got 302/,
    ],
    ['fails', (answer) => answer.writeHead(500).end('{}'), /got 500/],
    ['sends too much', (answer) => answer.end(' '.repeat(300_000)), /at most 262144 bytes/],
    ['returns a page', (answer) => answer.end('<html>'), /JSON/],
    ['aborts the response', (answer) => answer.write('{', () => answer.destroy()), /aborted/],
  ];
  test.each(broken)('fails if the endpoint %s', async (_what, handle, reason) => {
    const { jwksUri } = await startIssuer(handle);
    const fetchKeys = createUserJwksFetcher({ jwksUri, caBundle: authority.certificate });
    await expect(fetchKeys()).rejects.toThrow(reason);
  });

  test('fails after the timeout', async () => {
    const { jwksUri } = await startIssuer(() => undefined);
    const fetchKeys = createUserJwksFetcher({ jwksUri, caBundle: authority.certificate }, 50);
    await expect(fetchKeys()).rejects.toThrow(/abort/i);
  });
});
