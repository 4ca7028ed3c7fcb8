import { X509Certificate } from 'node:crypto';

import { BACKDATE_MS, computeThumbprint } from '../../lib/certificate/key-certificate.ts';
import { JWKS_PATH } from '../../lib/contract/authority-api.ts';
import type { Jwks } from '../../lib/grant/issuer-documents.ts';
import { formatValue } from '../../lib/schema/field-error.ts';
import type { ClusterClient } from './cluster.ts';
import { createProblemError } from './tool-error.ts';

/** A published key that verifies grants. */
export type PublishedKey = {
  readonly kid: string;
  readonly algorithm: string;
  /** By position: the authority publishes the signing key first, then the next key, then retired keys. */
  readonly use: 'signing' | 'next' | 'retired';
  /** Milliseconds since the epoch. */
  readonly madeAt: number;
  /** SHA-1 of the certificate, in hex. */
  readonly thumbprint: string;
};

/**
 * Reads the keys that the authority publishes.
 *
 * @throws ToolError if the response is not a key set; KubernetesError
 */
export const readJwks = async ({
  readDocument,
}: Pick<ClusterClient, 'readDocument'>): Promise<Jwks> => {
  const document = await readDocument(JWKS_PATH);
  const { keys } = (document ?? {}) as { readonly keys?: unknown };
  if (Array.isArray(keys) && keys.length > 0) return { keys: keys as Jwks['keys'] };
  throw createProblemError([
    { path: JWKS_PATH, expected: 'a key set (RFC 7517)', got: formatValue(document) },
  ]);
};

/**
 * Parses the keys of the authority, each with its certificate.
 *
 * @throws ToolError for a key without `kid`, `alg` or certificate
 */
export const parsePublishedKeys = ({ keys }: Jwks): readonly PublishedKey[] =>
  keys.map(({ kid, alg, x5c }, index) => {
    const certificate = parseCertificate(x5c);
    if (typeof kid !== 'string' || typeof alg !== 'string' || certificate === undefined) {
      const got = formatValue({ kid, alg });
      throw createProblemError([
        { path: `${JWKS_PATH} keys[${index}]`, expected: 'kid, alg and x5c', got },
      ]);
    }
    return {
      kid,
      algorithm: alg,
      use: USES[index] ?? 'retired',
      madeAt: Date.parse(certificate.validFrom) + BACKDATE_MS,
      thumbprint: computeThumbprint(certificate.toString()),
    };
  });

const USES = ['signing', 'next'] as const;

const parseCertificate = (x5c: unknown): X509Certificate | undefined => {
  try {
    const [first] = x5c as readonly string[];
    return new X509Certificate(Buffer.from(first ?? '', 'base64'));
  } catch {
    return undefined;
  }
};
