import { createHmac, createPrivateKey, generateKeyPairSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { decodeJwt, decodeProtectedHeader, SignJWT } from 'jose';
import type { JWTPayload } from 'jose';
import type { Cluster } from '../../cluster/cluster-file.ts';

/** How a token differs from the one that it is made after. */
export type ClaimVariation = {
  claims?: JWTPayload;
  /** Its `kid`, where it is not the cluster's. */
  keyId?: string;
};

/** Signs tokens as the API server does, each after a true one: what differs is what a story is about. */
export const createClusterSigner = (cluster: Cluster) => {
  const key = createPrivateKey(readFileSync(cluster.clusterSigningKey));
  return (token: string, variation: ClaimVariation = {}) => signToken(token, { ...variation, key });
};

/** The same by somebody who has no key of the cluster's. */
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

/** Its claims and signature kept, another claim put in: what somebody makes who can only edit. */
export const tamperToken = (token: string, claims: JWTPayload): string => {
  const [header = '', , signature = ''] = token.split('.');
  return [header, encodePart({ ...decodeJwt(token), ...claims }), signature].join('.');
};

/** `alg: none` (RFC 7519, section 6), with and without what looks like a signature. */
export const removeSignature = (token: string, signature = ''): string => {
  const header = { ...decodeProtectedHeader(token), alg: 'none' };
  return [encodePart(header), encodePart(decodeJwt(token)), signature].join('.');
};

/** HS256 with the public key as the shared one (RFC 8725, section 2.1). */
export const signWithPublicKey = (token: string, publicKey: string): string => {
  const header = { ...decodeProtectedHeader(token), alg: 'HS256' };
  const signed = [encodePart(header), encodePart(decodeJwt(token))].join('.');
  return `${signed}.${createHmac('sha256', publicKey).update(signed).digest('base64url')}`;
};

const encodePart = (value: object): string =>
  Buffer.from(JSON.stringify(value)).toString('base64url');

export const toEpochSeconds = (fromNow = 0): number => Math.floor(Date.now() / 1000) + fromNow;
