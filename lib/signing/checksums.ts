import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { Crc32c, Crc64Nvme } from '@aws-sdk/checksums/crc';

/** Computes a checksum over the parts of a payload. */
export type Checksum = {
  readonly update: (bytes: Uint8Array) => void;
  /** @returns base64, as the trailer carries it */
  readonly digest: () => Promise<string>;
};

const createCrc32 = (): Checksum => {
  let value = 0;
  return {
    update: (bytes) => (value = crc32(bytes, value)),
    digest: () => {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32BE(value);
      return Promise.resolve(bytes.toString('base64'));
    },
  };
};

const createDigest = (algorithm: 'sha1' | 'sha256') => (): Checksum => {
  const hash = createHash(algorithm);
  return {
    update: (bytes) => void hash.update(bytes),
    digest: () => Promise.resolve(hash.digest('base64')),
  };
};

const wrapLibraryChecksum = (Algorithm: typeof Crc32c | typeof Crc64Nvme) => (): Checksum => {
  const checksum = new Algorithm();
  return {
    update: (bytes) => {
      checksum.update(bytes);
    },
    digest: async () => Buffer.from(await checksum.digest()).toString('base64'),
  };
};

/** By the trailer that carries it; the length is that of the base64 text. */
const CHECKSUMS = new Map([
  ['x-amz-checksum-crc32', { length: 8, create: createCrc32 }],
  ['x-amz-checksum-crc32c', { length: 8, create: wrapLibraryChecksum(Crc32c) }],
  ['x-amz-checksum-crc64nvme', { length: 12, create: wrapLibraryChecksum(Crc64Nvme) }],
  ['x-amz-checksum-sha1', { length: 28, create: createDigest('sha1') }],
  ['x-amz-checksum-sha256', { length: 44, create: createDigest('sha256') }],
]);

/**
 * Looks up the algorithm of a checksum trailer (Amazon S3 User Guide, "Checking object integrity").
 *
 * @param trailer lower-case name, such as `x-amz-checksum-crc32`
 * @returns undefined for a trailer that carries no checksum known here
 */
export const findChecksum = (
  trailer: string,
): { readonly length: number; readonly create: () => Checksum } | undefined =>
  CHECKSUMS.get(trailer);
