import { createHash, type X509Certificate } from 'node:crypto';

/** Hashes that signature algorithms name; the older ones are replaced (RFC 5929, section 4.1). */
const HASHES: readonly (readonly [RegExp, string])[] = [
  [/sha-?512/i, 'sha512'],
  [/sha-?384/i, 'sha384'],
  [/sha-?256|sha-?1\b|sha1|md5/i, 'sha256'],
];

/**
 * Computes the channel binding `tls-server-end-point` of a server's certificate.
 *
 * @returns undefined for a signature algorithm that names no hash, such as Ed25519: there is no binding then
 */
export const getChannelBinding = ({
  signatureAlgorithm = '',
  raw,
}: Pick<X509Certificate, 'raw'> & { readonly signatureAlgorithm?: string | undefined }):
  Uint8Array | undefined => {
  const hash = HASHES.find(([pattern]) => pattern.test(signatureAlgorithm))?.[1];
  return hash === undefined ? undefined : createHash(hash).update(raw).digest();
};
