import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { CloudError } from '../cloud-error.ts';

const PREFIX = 'x-amz-checksum-';

const computeCrc32 = (content: Buffer): string => {
  const digest = Buffer.alloc(4);
  digest.writeUInt32BE(crc32(content));
  return digest.toString('base64');
};
const createHashDigest = (algorithm: string) => (content: Buffer) =>
  createHash(algorithm).update(content).digest('base64');

/** The checksums that Node can compute; SDKs send CRC32 by default. */
const DIGESTS: ReadonlyMap<string, (content: Buffer) => string> = new Map([
  ['crc32', computeCrc32],
  ['sha1', createHashDigest('sha1')],
  ['sha256', createHashDigest('sha256')],
]);

/**
 * Compares content with each `x-amz-checksum-<algorithm>` header or trailer sent with it.
 *
 * @throws CloudError `BadDigest`, or `NotImplemented` for an algorithm that cannot be checked here
 */
export const verifyChecksums = (content: Buffer, sent: ReadonlyMap<string, string>): void => {
  for (const [name, value] of sent) {
    if (!name.startsWith(PREFIX) || name === `${PREFIX}mode`) continue;
    const digest = DIGESTS.get(name.slice(PREFIX.length));
    if (digest === undefined) throw new CloudError('NotImplemented', 501, `${name} is not known`);
    if (digest(content) !== value) throw new CloudError('BadDigest', 400, `${name} does not match`);
  }
};
