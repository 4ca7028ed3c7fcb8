import { X509Certificate } from 'node:crypto';

import { computeThumbprint } from '../../lib/certificate/key-certificate.ts';
import { JWKS_PATH } from '../../lib/contract/authority-api.ts';
import type { Jwks } from '../../lib/grant/issuer-documents.ts';
import { formatValue } from '../../lib/schema/field-error.ts';
import type { ClusterClient } from './cluster.ts';
import { createProblemError } from './tool-error.ts';

/** A published key of grants. */
export type PublishedKey = {
  readonly kid: string;
  readonly algorithm: string;
  /** The authority publishes the one that signs first, then the next, then those that signed. */
  readonly use: 'signs' | 'next' | 'retired';
  /** Milliseconds since the epoch; its certificate is dated five minutes back, for clocks that differ. */
  readonly madeAt: number;
  /** SHA-1 of its certificate, hex. */
  readonly thumbprint: string;
};

/**
 * The keys that the authority publishes.
 *
 * @throws ToolError where its answer is none; KubernetesError
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

/** @throws ToolError for a key without the certificate that ours have */
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
      ...{ kid, algorithm: alg, use: USES[index] ?? 'retired' },
      madeAt: Date.parse(certificate.validFrom),
      thumbprint: computeThumbprint(certificate.toString()),
    };
  });

const USES = ['signs', 'next'] as const;

const parseCertificate = (x5c: unknown): X509Certificate | undefined => {
  try {
    const [first] = x5c as readonly string[];
    return new X509Certificate(Buffer.from(first ?? '', 'base64'));
  } catch {
    return undefined;
  }
};
