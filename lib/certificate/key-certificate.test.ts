import { X509Certificate } from 'node:crypto';

import { describe, expect, it } from '@jest/globals';

import {
  readKeyAlgorithm,
  createCertifiedKey,
  isCertifiedKey,
  toJwkMembers,
  computeThumbprint,
} from './key-certificate.ts';

const now = Date.parse('2030-01-01T00:00:00Z');

describe.each(['ES256', 'RS256'] as const)('createCertifiedKey with %s', (algorithm) => {
  it('creates a self-signed certificate for signatures only', async () => {
    const made = await createCertifiedKey(algorithm, now);
    const certificate = new X509Certificate(made.certificate);
    expect(isCertifiedKey(made)).toBe(true);
    expect(readKeyAlgorithm(made.certificate)).toBe(algorithm);
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    expect(certificate.ca).toBe(false);
    expect(certificate.validFromDate.getTime()).toBe(now - 300_000);
    expect(certificate.validToDate.getTime()).toBeGreaterThan(now + 9 * 365 * 86_400_000);
  });

  it('exposes only public members and the SHA-1 of the certificate', async () => {
    const { certificate } = await createCertifiedKey(algorithm, now);
    const { key, x5c } = toJwkMembers(certificate);
    expect(Object.keys(key).sort()).toEqual(
      algorithm === 'ES256' ? ['crv', 'kty', 'x', 'y'] : ['e', 'kty', 'n'],
    );
    const parsed = new X509Certificate(Buffer.from(x5c[0], 'base64'));
    expect(computeThumbprint(certificate)).toMatch(/^[0-9a-f]{40}$/);
    expect(computeThumbprint(parsed.toString())).toBe(computeThumbprint(certificate));
  });
});

it('isCertifiedKey rejects a mismatched certificate and other text', async () => {
  const one = await createCertifiedKey('ES256', now);
  const other = await createCertifiedKey('ES256', now);
  expect(isCertifiedKey({ key: one.key, certificate: other.certificate })).toBe(false);
  expect(isCertifiedKey({ key: 'x', certificate: one.certificate })).toBe(false);
});
