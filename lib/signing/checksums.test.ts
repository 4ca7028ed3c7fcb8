import { describe, expect, it } from '@jest/globals';
import { findChecksum } from './checksums.ts';

describe('findChecksum', () => {
  // The check values of the catalogue of parametrized CRC algorithms, and of FIPS 180-4, for "123456789".
  it.each([
    ['x-amz-checksum-crc32', 'cbf43926'],
    ['x-amz-checksum-crc32c', 'e3069283'],
    ['x-amz-checksum-crc64nvme', 'ae8b14860a799888'],
    ['x-amz-checksum-sha1', 'f7c3bc1d808e04732adf679965ccc34ca7ae3441'],
    ['x-amz-checksum-sha256', '15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225'],
  ])('computes %s over parts as over the whole', async (trailer, expected) => {
    const algorithm = findChecksum(trailer);
    const checksum = algorithm?.create();
    for (const part of ['1234', '', '56789']) checksum?.update(Buffer.from(part));
    const digest = await checksum?.digest();
    expect(Buffer.from(digest ?? '', 'base64').toString('hex')).toBe(expected);
    expect(digest).toHaveLength(algorithm?.length ?? 0);
  });

  it('knows no checksum of another trailer', () => {
    expect(findChecksum('x-amz-checksum-md6')).toBeUndefined();
  });
});
