import { describe, expect, test } from '@jest/globals';
import { createCertificateAuthority, signLeaf } from './certificate-authority.ts';
import { bundleTrusts } from './trust-bundle.ts';

const now = Date.parse('2030-01-01T00:00:00Z');
const leafOptions = { names: ['webhook.valetkey.svc'], now, lifetimeMs: 3_600_000 };

describe('a bundle vouches', () => {
  test('for what one of its authorities signed, and for nothing else', async () => {
    const ours = await createCertificateAuthority({ now, lifetimeMs: 7_200_000 });
    const theirs = await createCertificateAuthority({ now, lifetimeMs: 7_200_000 });
    const leaf = await signLeaf(ours, leafOptions);
    expect(bundleTrusts(theirs.certificate + ours.certificate, leaf.certificate)).toBe(true);
    expect(bundleTrusts(theirs.certificate, leaf.certificate)).toBe(false);
    expect(bundleTrusts('', leaf.certificate)).toBe(false);
  });

  test('for a certificate that signed itself when it holds that one', async () => {
    const { certificate } = await createCertificateAuthority({ now, lifetimeMs: 7_200_000 });
    expect(bundleTrusts(certificate, certificate)).toBe(true);
  });
});
