import 'reflect-metadata';

import { createPrivateKey, KeyObject, webcrypto, X509Certificate } from 'node:crypto';

import * as x509 from '@peculiar/x509';

/** A self-signed certificate authority: PEM certificate and PEM private key (PKCS #8). */
export type CertificateAuthority = { readonly certificate: string; readonly key: string };

/** The serving certificate of a replica. The key never leaves its memory. */
export type Leaf = {
  /** PEM. */
  readonly certificate: string;
  /** PEM, PKCS #8. */
  readonly key: string;
  /** PEM certificate of the authority that signed it. */
  readonly issuer: string;
  /** Milliseconds since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
};

const EC = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const SIGNATURE = { name: 'ECDSA', hash: 'SHA-256' } as const;
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';

/** Validity starts in the past, because clocks of API servers differ. */
const BACKDATE_MS = 5 * 60_000;

/**
 * Creates a certificate authority (ECDSA P-256, self-signed, path length 0, RFC 5280), valid from five
 * minutes ago until `now + lifetimeMs`. Its subject is unique, so that a client with several in its
 * bundle finds the right one.
 */
export const createCertificateAuthority = async ({
  now,
  lifetimeMs,
}: {
  readonly now: number;
  readonly lifetimeMs: number;
}): Promise<CertificateAuthority> => {
  const keys = await generateKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: [{ CN: [`Valetkey webhook CA ${webcrypto.randomUUID()}`] }],
    ...buildValidity(now, now + lifetimeMs),
    keys,
    signingAlgorithm: SIGNATURE,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
        true,
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: toPem(certificate), key: exportKey(keys.privateKey) };
};

const IP_ADDRESS = /^\d+(\.\d+){3}$|:/;

/**
 * Creates a key and signs its certificate for `names` (DNS names and IP addresses), valid until `now + lifetimeMs` or the
 * expiration of the authority, whichever is earlier.
 */
export const signLeaf = async (
  authority: CertificateAuthority,
  options: { readonly names: readonly string[]; readonly now: number; readonly lifetimeMs: number },
): Promise<Leaf> => {
  const keys = await generateKeys();
  const issuer = new x509.X509Certificate(authority.certificate);
  const end = Math.min(options.now + options.lifetimeMs, issuer.notAfter.getTime());
  const certificate = await x509.X509CertificateGenerator.create({
    subject: [{ CN: ['Valetkey webhook'] }],
    issuer: issuer.subjectName,
    ...buildValidity(options.now, end),
    publicKey: keys.publicKey,
    signingKey: await importKey(authority.key),
    signingAlgorithm: SIGNATURE,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([SERVER_AUTH]),
      new x509.SubjectAlternativeNameExtension(
        options.names.map((value) => ({ type: IP_ADDRESS.test(value) ? 'ip' : 'dns', value })),
      ),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
    ],
  });
  return {
    certificate: toPem(certificate),
    key: exportKey(keys.privateKey),
    issuer: authority.certificate,
    notBefore: certificate.notBefore.getTime(),
    notAfter: certificate.notAfter.getTime(),
  };
};

/** Whether key and certificate match, and the certificate is a CA certificate. */
export const isCertificateAuthority = ({ certificate, key }: CertificateAuthority): boolean => {
  try {
    const parsed = new X509Certificate(certificate);
    return parsed.ca && parsed.checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  }
};

/** Start and end of the validity of a PEM certificate, milliseconds since the epoch. */
export const readValidity = (certificate: string): { notBefore: number; notAfter: number } => {
  const { validFromDate, validToDate } = new X509Certificate(certificate);
  return { notBefore: validFromDate.getTime(), notAfter: validToDate.getTime() };
};

const generateKeys = (): Promise<webcrypto.CryptoKeyPair> =>
  webcrypto.subtle.generateKey(EC, true, ['sign', 'verify']);

const exportKey = (key: webcrypto.CryptoKey): string =>
  KeyObject.from(key).export({ type: 'pkcs8', format: 'pem' }).toString();

const importKey = (pem: string): Promise<webcrypto.CryptoKey> => {
  const der = createPrivateKey(pem).export({ type: 'pkcs8', format: 'der' });
  return webcrypto.subtle.importKey('pkcs8', new Uint8Array(der), EC, false, ['sign']);
};

const toPem = (certificate: x509.X509Certificate): string => `${certificate.toString('pem')}\n`;

const buildValidity = (now: number, end: number): { notBefore: Date; notAfter: Date } => ({
  notBefore: new Date(now - BACKDATE_MS),
  notAfter: new Date(end),
});
