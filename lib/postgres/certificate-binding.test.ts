import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { getChannelBinding } from './certificate-binding.ts';

const raw = Buffer.from('certificate');

describe('getChannelBinding', () => {
  it.each([
    ['ecdsa-with-SHA256', 'sha256'],
    ['sha384WithRSAEncryption', 'sha384'],
    ['ecdsa-with-SHA512', 'sha512'],
    ['sha1WithRSAEncryption', 'sha256'],
    ['md5WithRSAEncryption', 'sha256'],
  ])('hashes a certificate that is signed with %s by %s', (signatureAlgorithm, hash) => {
    expect(getChannelBinding({ raw, signatureAlgorithm })).toEqual(
      createHash(hash).update(raw).digest(),
    );
  });

  it.each(['ED25519', undefined])('has no binding for the algorithm %s', (signatureAlgorithm) => {
    expect(getChannelBinding({ raw, signatureAlgorithm })).toBeUndefined();
  });
});
