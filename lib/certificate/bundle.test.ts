import { describe, expect, test } from '@jest/globals';
import { createAuthority, signLeaf } from './authority.ts';
import { bundleVouches } from './bundle.ts';

const now = Date.parse('2030-01-01T00:00:00Z');
const terms = { names: ['webhook.valetkey.svc'], now, lifetimeMs: 3_600_000 };

describe('a bundle vouches', () => {
  test('for what one of its authorities signed, and for nothing else', async () => {
    const ours = await createAuthority({ now, lifetimeMs: 7_200_000 });
    const theirs = await createAuthority({ now, lifetimeMs: 7_200_000 });
    const leaf = await signLeaf(ours, terms);
    expect(bundleVouches(theirs.certificate + ours.certificate, leaf.certificate)).toBe(true);
    expect(bundleVouches(theirs.certificate, leaf.certificate)).toBe(false);
    expect(bundleVouches('', leaf.certificate)).toBe(false);
  });

  test('for a certificate that signed itself when it holds that one', async () => {
    const { certificate } = await createAuthority({ now, lifetimeMs: 7_200_000 });
    expect(bundleVouches(certificate, certificate)).toBe(true);
  });
});
