import { describe, expect, test } from '@jest/globals';

import { createCertificateAuthority, signLeaf } from '../../certificate/certificate-authority.ts';
import type { ServingCertificate } from '../../certificate/serving-certificate.ts';
import { createHttpsServer } from './https-server.ts';
import { createCertificateListener } from './certificate-listener.ts';
import { waitUntil } from '../../../test/kit/retry.ts';

const buildServing = async (): Promise<ServingCertificate> => {
  const terms = { now: Date.now(), lifetimeMs: 3_600_000 };
  const authority = await createCertificateAuthority(terms);
  return { ...(await signLeaf(authority, { names: ['webhook'], ...terms })), isTrusted: true };
};

/** The leaf is sound and belongs to its key; what follows it is no certificate. */
const breakChain = ({ certificate, ...rest }: ServingCertificate): ServingCertificate => ({
  ...rest,
  certificate: `${certificate}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`,
});

describe('createCertificateListener', () => {
  test('throws for a certificate that TLS cannot serve and starts with the first valid one', async () => {
    const server = createHttpsServer((_request, answer) => answer.end());
    const used: string[] = [];
    const user = createCertificateListener(server, {
      listen: { setting: 'VALETKEY_LISTEN', address: { host: '127.0.0.1', port: 0 } },
      onUse: ({ certificate }) => used.push(certificate),
    });
    const good = await buildServing();
    const broken = breakChain(good);
    for (let round = 0; round < 2; round += 1) expect(() => user.use(broken)).toThrow();
    user.use(good);
    user.use(good);
    expect(used).toEqual([good.certificate]);
    await waitUntil(user.port);
    await server.drain({ lingerMs: 0, graceMs: 0 });
  });
});
