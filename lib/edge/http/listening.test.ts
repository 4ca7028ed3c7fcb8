import { describe, expect, test } from '@jest/globals';

import { createAuthority, signLeaf } from '../../certificate/authority.ts';
import type { Serving } from '../../certificate/serving.ts';
import { openHttpsServer } from './https-server.ts';
import { listenAtFirstCertificate } from './listening.ts';

const serving = async (): Promise<Serving> => {
  const terms = { now: Date.now(), lifetimeMs: 3_600_000 };
  const authority = await createAuthority(terms);
  return { ...(await signLeaf(authority, { names: ['webhook'], ...terms })), isLive: true };
};

/** The leaf is sound and belongs to its key; what follows it is no certificate. */
const withBrokenChain = ({ certificate, ...rest }: Serving): Serving => ({
  ...rest,
  certificate: `${certificate}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`,
});

describe('a certificate that TLS cannot serve', () => {
  test('is refused each time it is offered, and the first good one is listened with', async () => {
    const server = openHttpsServer((_request, answer) => answer.end());
    const used: string[] = [];
    const user = listenAtFirstCertificate(server, {
      listen: { setting: 'VALETKEY_LISTEN', address: { host: '127.0.0.1', port: 0 } },
      onUse: ({ certificate }) => used.push(certificate),
    });
    const good = await serving();
    const broken = withBrokenChain(good);
    for (let round = 0; round < 2; round += 1) expect(() => user.use(broken)).toThrow();
    user.use(good);
    user.use(good);
    expect(used).toEqual([good.certificate]);
    while (user.port() === undefined) await new Promise((resolve) => setTimeout(resolve, 5));
    await server.drain({ lingerMs: 0, graceMs: 0 });
  });
});
