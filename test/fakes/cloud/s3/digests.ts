import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

/** Compares secrets in the same time whatever they are. */
export const isSameText = (one: string, other: string): boolean =>
  timingSafeEqual(
    createHash('sha256').update(one).digest(),
    createHash('sha256').update(other).digest(),
  );

export const computeHmac = (key: Buffer, text: string): Buffer =>
  createHmac('sha256', key).update(text).digest();
export const hashSha256 = (data: string | Buffer): string =>
  createHash('sha256').update(data).digest('hex');

type Secret = string | ArrayBuffer | ArrayBufferView;

/** A class because `SignatureV4` calls it with `new`: SHA-256, or HMAC where there is a secret. */
export class Sha256 {
  readonly #hash: ReturnType<typeof createHash> | ReturnType<typeof createHmac>;

  constructor(secret?: Secret) {
    this.#hash =
      secret === undefined ? createHash('sha256') : createHmac('sha256', toBytes(secret));
  }

  update(data: Secret): void {
    this.#hash.update(toBytes(data));
  }

  digest(): Promise<Uint8Array> {
    return Promise.resolve(this.#hash.digest());
  }
}

const toBytes = (data: Secret): Uint8Array => {
  if (typeof data === 'string') return Buffer.from(data);
  return ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    : new Uint8Array(data);
};
