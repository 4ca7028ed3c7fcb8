import { X509Certificate } from 'node:crypto';

import { value, type Reader } from '../schema/reader.ts';

const PEM_BLOCK = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** Reads one or more PEM certificates (RFC 7468), with only white space between them. */
export const certificateBundle: Reader<string> = value(
  'PEM certificates and nothing else',
  (given): given is string => typeof given === 'string' && isBundle(given),
);

const isBundle = (text: string): boolean => {
  const blocks = text.match(PEM_BLOCK) ?? [];
  return (
    blocks.length > 0 && text.replace(PEM_BLOCK, '').trim() === '' && blocks.every(isCertificate)
  );
};

const isCertificate = (pem: string): boolean => {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    return false;
  }
};
