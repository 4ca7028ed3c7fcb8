import { describe, expect, it } from '@jest/globals';
import { createCertificateAuthority, signLeaf } from './certificate-authority.ts';
import { bundleTrusts } from './trust-bundle.ts';

const now = Date.parse('2030-01-01T00:00:00Z');
const leafOptions = { names: ['webhook.valetkey.svc'], now, lifetimeMs: 3_600_000 };

describe('bundleTrusts', () => {
  it('returns true only for certificates signed by an authority in the bundle', async () => {
    const ours = await createCertificateAuthority({ now, lifetimeMs: 7_200_000 });
    const theirs = await createCertificateAuthority({ now, lifetimeMs: 7_200_000 });
    const leaf = await signLeaf(ours, leafOptions);
    expect(bundleTrusts(theirs.certificate + ours.certificate, leaf.certificate)).toBe(true);
    expect(bundleTrusts(theirs.certificate, leaf.certificate)).toBe(false);
    expect(bundleTrusts('', leaf.certificate)).toBe(false);
  });

  it('returns true for a self-signed certificate in the bundle', async () => {
    const { certificate } = await createCertificateAuthority({ now, lifetimeMs: 7_200_000 });
    expect(bundleTrusts(certificate, certificate)).toBe(true);
  });
});
