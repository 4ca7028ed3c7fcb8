import { InputError } from './input-error.ts';

/** S3 limits keys to 1,024 bytes of UTF-8, as do MinIO and Ceph RGW. */
const MAX_KEY_BYTES = 1_024;

/** No colon: Ceph RGW reads `tenant:bucket`, and AWS the ARN of an access point. */
const BUCKET = /^(?!\.{1,2}$)[\w.-]{1,255}$/;

/** @throws InputError for a name that some S3 server reads as more than a bucket */
export const checkBucket = (bucket: string): void => {
  if (!BUCKET.test(bucket)) {
    throw new InputError('expected a bucket of letters, digits, dots, hyphens and underscores');
  }
};

/** Resolves empty segments and dots. A slash at the end is kept. */
const cleanKey = (key: string): string => {
  const kept: string[] = [];
  for (const segment of key.split('/')) {
    if (segment === '..') kept.pop();
    else if (segment !== '' && segment !== '.') kept.push(segment);
  }
  return `${kept.join('/')}${key.endsWith('/') ? '/' : ''}`;
};

/**
 * Lists the keys that S3 servers take a key for: MinIO cleans one that begins with a slash, as a path.
 * A call needs the permissions of all of them.
 *
 * @throws InputError for what is no key for any of them, or for some
 */
export const listKeyReadings = (key: string): readonly string[] => {
  if (Buffer.byteLength(key) > MAX_KEY_BYTES || key.includes('\0')) {
    throw new InputError(`expected a key of at most ${MAX_KEY_BYTES} bytes without NUL`);
  }
  if (!key.startsWith('/')) return [key];
  const cleaned = cleanKey(key);
  if (/^\/?$/.test(cleaned))
    throw new InputError('expected a key that is more than slashes and dots');
  return [key, cleaned];
};
