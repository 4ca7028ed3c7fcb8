import 'reflect-metadata';

import { createPrivateKey, KeyObject, webcrypto, X509Certificate } from 'node:crypto';

import * as x509 from '@peculiar/x509';

/** A private key (PEM, PKCS #8) and its self-signed certificate (PEM). */
export type CertifiedKey = { readonly key: string; readonly certificate: string };

/** ES256: P-256. RS256: 2048 bits. Names of RFC 7518, section 3.1. */
export type KeyAlgorithm = 'ES256' | 'RS256';

const GENERATION = {
  ES256: { name: 'ECDSA', namedCurve: 'P-256' },
  RS256: {
    name: 'RSASSA-PKCS1-v1_5',
    modulusLength: 2048,
    publicExponent: new Uint8Array([1, 0, 1]),
    hash: 'SHA-256',
  },
} as const;
const SIGNATURE = {
  ES256: { name: 'ECDSA', hash: 'SHA-256' },
  RS256: { name: 'RSASSA-PKCS1-v1_5' },
} as const;

/** Validity starts this long before the key is made, because clocks of clouds differ. */
export const BACKDATE_MS = 5 * 60_000;
/** Clouds require a certificate; the lifetime of the key is decided by its rotation. */
const LIFETIME_MS = 3_650 * 86_400_000;

/** Generates a signing key with the self-signed certificate for `x5c`. */
export const createCertifiedKey = async (
  algorithm: KeyAlgorithm,
  now: number,
): Promise<CertifiedKey> => {
  const keys = await webcrypto.subtle.generateKey(GENERATION[algorithm], true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: [{ CN: [`Valetkey grants ${webcrypto.randomUUID()}`] }],
    notBefore: new Date(now - BACKDATE_MS),
    notAfter: new Date(now + LIFETIME_MS),
    keys,
    signingAlgorithm: SIGNATURE[algorithm],
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
    ],
  });
  return {
    key: KeyObject.from(keys.privateKey).export({ type: 'pkcs8', format: 'pem' }).toString(),
    certificate: `${certificate.toString('pem')}\n`,
  };
};

/** Whether key and certificate match and the algorithm is supported. */
export const isCertifiedKey = ({ key, certificate }: CertifiedKey): boolean => {
  try {
    const parsed = new X509Certificate(certificate);
    return (
      parsed.checkPrivateKey(createPrivateKey(key)) && readKeyAlgorithm(certificate) !== undefined
    );
  } catch {
    return false;
  }
};

/** Algorithm of the key of a certificate; undefined: not supported. */
export const readKeyAlgorithm = (certificate: string): KeyAlgorithm | undefined => {
  const { asymmetricKeyType, asymmetricKeyDetails } = new X509Certificate(certificate).publicKey;
  if (asymmetricKeyType === 'rsa') return 'RS256';
  return asymmetricKeyDetails?.namedCurve === 'prime256v1' ? 'ES256' : undefined;
};

/** Members of a JWK (RFC 7517) for the key of a certificate: public members and `x5c`. */
export const toJwkMembers = (
  certificate: string,
): { readonly key: webcrypto.JsonWebKey; readonly x5c: readonly [string] } => {
  const { publicKey, raw } = new X509Certificate(certificate);
  return { key: publicKey.export({ format: 'jwk' }), x5c: [raw.toString('base64')] };
};

/** SHA-1, hex, of a certificate's DER: the thumbprint in IAM and Ceph RGW. */
export const computeThumbprint = (certificate: string): string =>
  new X509Certificate(certificate).fingerprint.replaceAll(':', '').toLowerCase();
