import { X509Certificate } from 'node:crypto';

const BLOCK = /-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----/g;

/** Splits a PEM bundle into certificates in canonical form; other text is skipped. */
export const splitBundle = (bundle: string): readonly string[] =>
  [...bundle.matchAll(BLOCK)].map(([, body = '']) => formatPem(body.replace(/\s/g, '')));

/** Joins PEM certificates in the given order, without duplicates. */
export const joinBundle = (certificates: readonly string[]): string =>
  [...new Set(certificates.flatMap(splitBundle))].join('');

/** Whether `bundle` contains `certificate`, regardless of line lengths. */
export const bundleContains = (bundle: string, certificate: string): boolean => {
  const held = new Set(splitBundle(bundle));
  const wanted = splitBundle(certificate);
  return wanted.length > 0 && wanted.every((one) => held.has(one));
};

/**
 * Whether a certificate of `bundle` signed one of `chain`, or is in it. This is the check of a TLS client
 * that trusts the bundle, without names and times.
 */
export const bundleTrusts = (bundle: string, chain: string): boolean => {
  const held = splitBundle(bundle).map((pem) => new X509Certificate(pem));
  return splitBundle(chain)
    .map((pem) => new X509Certificate(pem))
    .some((certificate) => held.some(({ publicKey }) => certificate.verify(publicKey)));
};

const formatPem = (base64: string): string =>
  [
    '-----BEGIN CERTIFICATE-----',
    ...(base64.match(/.{1,64}/g) ?? []),
    '-----END CERTIFICATE-----',
    '',
  ].join('\n');
