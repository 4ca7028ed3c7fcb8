import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';

import { isSealed, newSealingKey, parseSealingKey, readPublicKeys } from './sealing-keys.ts';

const one = parseSealingKey(newSealingKey());
const two = parseSealingKey(newSealingKey());

describe('parseSealingKey', () => {
  it('creates seals that only its public key verifies', () => {
    const seal = one.sign('text');
    expect(isSealed('text', seal, readPublicKeys(one.publicKey + two.publicKey))).toBe(true);
    expect(isSealed('other', seal, readPublicKeys(one.publicKey))).toBe(false);
    expect(isSealed('text', seal, readPublicKeys(two.publicKey))).toBeUndefined();
    const swapped = { ...seal, key: two.fingerprint };
    expect(isSealed('text', swapped, readPublicKeys(two.publicKey))).toBe(false);
  });

  it('rejects other keys without quoting them', () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    expect(() => parseSealingKey(pem)).toThrow('expected an Ed25519 private key in PEM');
    expect(() => parseSealingKey('SECRET')).toThrow(/^[^S]*$/);
    const other = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    expect(() => readPublicKeys(other)).toThrow('expected an Ed25519 public key in PEM');
    expect(() => readPublicKeys('')).toThrow('expected an Ed25519 public key in PEM');
  });
});
