import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';

import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';

import {
  createCertificateAuthority,
  signLeaf,
  type Leaf,
} from '../../certificate/certificate-authority.ts';
import { createBufferedPool } from './buffered-pool.ts';

const LIMITS = { maxConnections: 2, idleTimeoutMs: 30_000 };
const get = { method: 'GET', path: '/x', headers: {}, maxBodyBytes: 1024, timeoutMs: 30_000 };

let leaf: Leaf;
let otherCa: string;
beforeAll(async () => {
  const terms = { now: Date.now(), lifetimeMs: 3_600_000 };
  leaf = await signLeaf(await createCertificateAuthority(terms), {
    names: ['localhost'],
    ...terms,
  });
  otherCa = (await createCertificateAuthority(terms)).certificate;
});

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close().closeAllConnections();
});

const serve = async (): Promise<string> => {
  const server = createServer({ cert: leaf.certificate, key: leaf.key }, (_, answer) =>
    answer.end('{"a":"é"}'),
  );
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `https://localhost:${(server.address() as AddressInfo).port}`;
};

describe('createBufferedPool', () => {
  it('returns the response of a server whose certificate is trusted', async () => {
    const pool = createBufferedPool(await serve(), { ...LIMITS, trust: { ca: leaf.issuer } });
    expect(await pool.send(get)).toMatchObject({ status: 200, body: '{"a":"é"}' });
    pool.close();
  });

  it('sends nothing to a server whose certificate another CA signed', async () => {
    const pool = createBufferedPool(await serve(), { ...LIMITS, trust: { ca: otherCa } });
    await expect(pool.send(get)).rejects.toMatchObject({
      name: 'ConnectionError',
      code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
      wasSent: false,
    });
    pool.close();
  });

  it('ends a response that is longer than allowed', async () => {
    const pool = createBufferedPool(await serve(), { ...LIMITS, trust: { ca: leaf.issuer } });
    const small = { ...get, maxBodyBytes: 9 };
    await expect(pool.send(small)).rejects.toMatchObject({ code: 'response_too_large' });
    pool.close();
  });
});
