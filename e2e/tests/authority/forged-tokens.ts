import { createHmac, createPrivateKey, generateKeyPairSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { decodeJwt, decodeProtectedHeader, SignJWT } from 'jose';
import type { JWTPayload } from 'jose';
import type { Cluster } from '../../cluster/cluster-file.ts';

/** How a token differs from its template. */
export type ClaimVariation = {
  claims?: JWTPayload;
  /** Replaces the cluster's `kid`. */
  keyId?: string;
};

/** Signs variations of a real token with the API server's key. */
export const createClusterSigner = (cluster: Cluster) => {
  const key = createPrivateKey(readFileSync(cluster.clusterSigningKey));
  return (token: string, variation: ClaimVariation = {}) => signToken(token, { ...variation, key });
};

/** Signs variations of a real token with a key that the cluster does not know. */
export const createUntrustedSigner = () => {
  const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  return (token: string, variation: ClaimVariation = {}) => signToken(token, { ...variation, key });
};

const signToken = (
  token: string,
  { key, claims = {}, keyId }: ClaimVariation & { key: KeyObject },
): Promise<string> => {
  const { kid } = decodeProtectedHeader(token);
  const header = { alg: 'RS256', kid: keyId ?? kid ?? '' };
  return new SignJWT({ ...decodeJwt(token), ...claims }).setProtectedHeader(header).sign(key);
};

/** Changes claims and keeps the signature, as an attacker without a key can. */
export const tamperToken = (token: string, claims: JWTPayload): string => {
  const [header = '', , signature = ''] = token.split('.');
  return [header, encodePart({ ...decodeJwt(token), ...claims }), signature].join('.');
};

/** Makes an unsecured token with `alg: none` (RFC 7519, section 6), with an optional signature part. */
export const removeSignature = (token: string, signature = ''): string => {
  const header = { ...decodeProtectedHeader(token), alg: 'none' };
  return [encodePart(header), encodePart(decodeJwt(token)), signature].join('.');
};

/** Signs with HS256 and the public key as shared secret (RFC 8725, section 2.1). */
export const signWithPublicKey = (token: string, publicKey: string): string => {
  const header = { ...decodeProtectedHeader(token), alg: 'HS256' };
  const signed = [encodePart(header), encodePart(decodeJwt(token))].join('.');
  return `${signed}.${createHmac('sha256', publicKey).update(signed).digest('base64url')}`;
};

const encodePart = (value: object): string =>
  Buffer.from(JSON.stringify(value)).toString('base64url');

export const toEpochSeconds = (fromNow = 0): number => Math.floor(Date.now() / 1000) + fromNow;
