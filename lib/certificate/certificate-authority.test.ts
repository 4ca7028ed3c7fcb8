import { createPrivateKey, X509Certificate } from 'node:crypto';

import { describe, expect, test } from '@jest/globals';

import {
  createCertificateAuthority,
  isCertificateAuthority,
  signLeaf,
  readValidity,
} from './certificate-authority.ts';

const now = Date.parse('2030-01-01T00:00:00Z');
const day = 86_400_000;

describe('an authority', () => {
  test('may sign leaves and nothing else', async () => {
    const authority = await createCertificateAuthority({ now, lifetimeMs: 365 * day });
    const certificate = new X509Certificate(authority.certificate);
    expect(certificate.ca).toBe(true);
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    expect(certificate.publicKey.asymmetricKeyDetails).toEqual({ namedCurve: 'prime256v1' });
    expect(isCertificateAuthority(authority)).toBe(true);
    expect(readValidity(authority.certificate)).toEqual({
      notBefore: now - 300_000,
      notAfter: now + 365 * day,
    });
  });

  test('has a subject of its own, so that a bundle of several is never ambiguous', async () => {
    const [one, other] = await Promise.all([
      createCertificateAuthority({ now, lifetimeMs: day }),
      createCertificateAuthority({ now, lifetimeMs: day }),
    ]);
    const subjectOf = (pem: string) => new X509Certificate(pem).subject;
    expect(subjectOf(one.certificate)).not.toBe(subjectOf(other.certificate));
  });

  test("is none when the key is another's, or the certificate is a leaf, or no certificate", async () => {
    const one = await createCertificateAuthority({ now, lifetimeMs: day });
    const other = await createCertificateAuthority({ now, lifetimeMs: day });
    const leaf = await signLeaf(one, { names: ['a.b.svc'], now, lifetimeMs: day });
    expect(isCertificateAuthority({ certificate: one.certificate, key: other.key })).toBe(false);
    expect(isCertificateAuthority(leaf)).toBe(false);
    expect(isCertificateAuthority({ certificate: 'x', key: one.key })).toBe(false);
  });
});

describe('a leaf', () => {
  test('is for its names, verified by its issuer and good until its end', async () => {
    const authority = await createCertificateAuthority({ now, lifetimeMs: 365 * day });
    const names = ['valetkey-webhook.valetkey-system.svc'];
    const leaf = await signLeaf(authority, { names, now, lifetimeMs: 7 * day });
    const certificate = new X509Certificate(leaf.certificate);
    const issuer = new X509Certificate(authority.certificate);
    expect(certificate.checkIssued(issuer)).toBe(true);
    expect(certificate.verify(issuer.publicKey)).toBe(true);
    expect(certificate.subjectAltName).toBe('DNS:valetkey-webhook.valetkey-system.svc');
    expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1']);
    expect(certificate.ca).toBe(false);
    expect(certificate.checkPrivateKey(createPrivateKey(leaf.key))).toBe(true);
    expect(leaf.notAfter).toBe(now + 7 * day);
  });

  test('never outlives its issuer', async () => {
    const authority = await createCertificateAuthority({ now, lifetimeMs: day });
    const leaf = await signLeaf(authority, { names: ['a.b.svc'], now, lifetimeMs: 7 * day });
    expect(leaf.notAfter).toBe(now + day);
  });

  test('is for names longer than a common name may be', async () => {
    const authority = await createCertificateAuthority({ now, lifetimeMs: day });
    const name = `${'s'.repeat(63)}.${'n'.repeat(63)}.svc`;
    const leaf = await signLeaf(authority, { names: [name], now, lifetimeMs: day });
    expect(new X509Certificate(leaf.certificate).checkHost(name)).toBe(name);
  });
});
