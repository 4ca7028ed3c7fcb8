import { createPrivateKey, X509Certificate } from 'node:crypto';

import { describe, expect, it } from '@jest/globals';

import {
  createCertificateAuthority,
  isCertificateAuthority,
  signLeaf,
  readValidity,
} from './certificate-authority.ts';

const now = Date.parse('2030-01-01T00:00:00Z');
const day = 86_400_000;

describe('createCertificateAuthority', () => {
  it('creates an authority that can sign only leaves', async () => {
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

  it('creates a unique subject', async () => {
    const [one, other] = await Promise.all([
      createCertificateAuthority({ now, lifetimeMs: day }),
      createCertificateAuthority({ now, lifetimeMs: day }),
    ]);
    const readSubject = (pem: string) => new X509Certificate(pem).subject;
    expect(readSubject(one.certificate)).not.toBe(readSubject(other.certificate));
  });

  it('isCertificateAuthority rejects a mismatched key, a leaf and other text', async () => {
    const one = await createCertificateAuthority({ now, lifetimeMs: day });
    const other = await createCertificateAuthority({ now, lifetimeMs: day });
    const leaf = await signLeaf(one, { names: ['a.b.svc'], now, lifetimeMs: day });
    expect(isCertificateAuthority({ certificate: one.certificate, key: other.key })).toBe(false);
    expect(isCertificateAuthority(leaf)).toBe(false);
    expect(isCertificateAuthority({ certificate: 'x', key: one.key })).toBe(false);
  });
});

describe('signLeaf', () => {
  it('signs a leaf for its names, verifiable by its issuer until it expires', async () => {
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

  it('limits the validity to that of the issuer', async () => {
    const authority = await createCertificateAuthority({ now, lifetimeMs: day });
    const leaf = await signLeaf(authority, { names: ['a.b.svc'], now, lifetimeMs: 7 * day });
    expect(leaf.notAfter).toBe(now + day);
  });

  it('supports names longer than a common name', async () => {
    const authority = await createCertificateAuthority({ now, lifetimeMs: day });
    const name = `${'s'.repeat(63)}.${'n'.repeat(63)}.svc`;
    const leaf = await signLeaf(authority, { names: [name], now, lifetimeMs: day });
    expect(new X509Certificate(leaf.certificate).checkHost(name)).toBe(name);
  });
});
