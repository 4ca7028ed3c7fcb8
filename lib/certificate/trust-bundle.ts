import { X509Certificate } from 'node:crypto';

const BLOCK = /-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----/g;

/** The certificates of a PEM bundle, each in one canonical form; what is no certificate is skipped. */
export const splitBundle = (bundle: string): readonly string[] =>
  [...bundle.matchAll(BLOCK)].map(([, body = '']) => formatPem(body.replace(/\s/g, '')));

/** Joins PEM certificates, each once, in the order given. */
export const joinBundle = (certificates: readonly string[]): string =>
  [...new Set(certificates.flatMap(splitBundle))].join('');

/** Whether `bundle` trusts `certificate`, however either is wrapped. */
export const bundleContains = (bundle: string, certificate: string): boolean => {
  const held = new Set(splitBundle(bundle));
  const wanted = splitBundle(certificate);
  return wanted.length > 0 && wanted.every((one) => held.has(one));
};

/**
 * Whether a certificate of `bundle` signed one of `chain` (or is it): what a TLS client that trusts
 * the bundle would find, but for names and times.
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
