import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
  verify,
  type KeyObject,
} from 'node:crypto';

import { computeSha256, type Seal } from './chain.ts';

/** The key that seals records. It signs nothing else. */
export type SealingKey = {
  /** SHA-256, hex, of the public key. */
  readonly fingerprint: string;
  /** PEM, SubjectPublicKeyInfo. */
  readonly publicKey: string;
  readonly sign: (text: string) => Seal;
};

/** Public keys of seals by fingerprint. */
export type PublicKeys = ReadonlyMap<string, KeyObject>;

/** Generates an Ed25519 key, PEM (PKCS #8). Its holder can forge records. */
export const newSealingKey = (): string =>
  generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

/** @throws Error when `pem` is not an Ed25519 private key; the message contains no part of it */
export const parseSealingKey = (pem: string): SealingKey => {
  const key = readKey(() => createPrivateKey(pem), 'an Ed25519 private key in PEM');
  const publicKey = createPublicKey(key);
  const fingerprint = computeFingerprint(publicKey);
  return {
    fingerprint,
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    sign: (text) => ({
      key: fingerprint,
      signature: sign(null, Buffer.from(text), key).toString('base64url'),
    }),
  };
};

/**
 * Reads one or several public keys in PEM.
 *
 * @throws Error when one is not an Ed25519 public key, or there is none
 */
export const readPublicKeys = (pem: string): PublicKeys => {
  const blocks = pem.match(/-----BEGIN PUBLIC KEY-----[^-]+-----END PUBLIC KEY-----/g) ?? [''];
  const keys = blocks.map((block) =>
    readKey(() => createPublicKey(block), 'an Ed25519 public key in PEM'),
  );
  return new Map(keys.map((key) => [computeFingerprint(key), key]));
};

/** Whether `seal` is a valid signature of `text`; undefined when its key is not among `keys`. */
export const isSealed = (text: string, seal: Seal, keys: PublicKeys): boolean | undefined => {
  const key = keys.get(seal.key);
  return key && verify(null, Buffer.from(text), key, Buffer.from(seal.signature, 'base64url'));
};

const readKey = (make: () => KeyObject, expected: string): KeyObject => {
  const key = tryRead(make);
  if (key?.asymmetricKeyType !== 'ed25519') {
    throw new Error(`audit sealing key: expected ${expected}, got something else`);
  }
  return key;
};

/** Drops the cause: an OpenSSL error may quote the key. */
const tryRead = (make: () => KeyObject): KeyObject | undefined => {
  try {
    return make();
  } catch {
    return undefined;
  }
};

const computeFingerprint = (key: KeyObject): string =>
  computeSha256(key.export({ type: 'spki', format: 'der' }));
