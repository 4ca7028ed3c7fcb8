import { generateKeyPairSync, type KeyObject } from 'node:crypto';

import { describe, expect, it } from '@jest/globals';
import { jwtVerify } from 'jose';

import { signClientAssertion } from './client-assertion.ts';

const NOW = Date.parse('2026-03-01T00:00:00Z');
const CLAIMS = { issuer: 'client', subject: 'client', audience: 'https://login.example', id: 'i1' };

const toPem = (key: KeyObject, type: 'pkcs1' | 'pkcs8' | 'sec1' = 'pkcs8') =>
  key.export({ type: type, format: 'pem' }) as string;

describe('signClientAssertion', () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const ed = generateKeyPairSync('ed25519');
  it.each([
    ['RS256', toPem(rsa.privateKey), rsa.publicKey],
    ['RS256', toPem(rsa.privateKey, 'pkcs1'), rsa.publicKey],
    ['ES256', toPem(ec.privateKey), ec.publicKey],
    ['ES256', toPem(ec.privateKey, 'sec1'), ec.publicKey],
    ['EdDSA', toPem(ed.privateKey), ed.publicKey],
  ])('signs by %s, as the key is', async (algorithm, pem, key) => {
    const assertion = await signClientAssertion(pem, CLAIMS, NOW);
    const { payload, protectedHeader } = await jwtVerify(assertion, key, {
      currentDate: new Date(NOW),
      audience: CLAIMS.audience,
    });
    expect(protectedHeader.alg).toBe(algorithm);
    expect(payload).toEqual({
      iss: 'client',
      sub: 'client',
      aud: 'https://login.example',
      jti: 'i1',
      iat: NOW / 1000 - 10,
      exp: NOW / 1000 + 50,
    });
  });

  it('quotes no key that it cannot read', async () => {
    const sign = () => signClientAssertion('-----BEGIN topsecret', CLAIMS, NOW);
    expect(sign).toThrow('expected a private key in PEM');
    expect(sign).not.toThrow('topsecret');
    await Promise.resolve();
  });

  it('refuses a key of another kind', () => {
    const { privateKey } = generateKeyPairSync('x25519');
    expect(() => signClientAssertion(toPem(privateKey), CLAIMS, NOW)).toThrow(
      'expected a private key',
    );
  });
});
