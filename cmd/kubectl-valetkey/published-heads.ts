import { PUBLIC_KEYS_NAME, readHead, type Head } from '../../lib/audit/heads.ts';
import { readPublicKeys, type PublicKeys } from '../../lib/audit/sealing-keys.ts';
import { AUDIT_HEADS_CONFIG_MAP } from '../../lib/contract/authority-api.ts';
import type { ClusterClient } from './cluster.ts';
import { createProblemError, createUsageError } from './tool-error.ts';

/** Data of the ConfigMap of heads: unparsed heads by replica, and the public keys. */
export type Published = Readonly<Record<string, string>>;

/** @throws ToolError if the cluster has no heads; KubernetesError */
export const readClusterHeads = async (
  cluster: Pick<ClusterClient, 'readConfigMap' | 'installedIn'>,
): Promise<Published> => {
  const data = await cluster.readConfigMap(AUDIT_HEADS_CONFIG_MAP);
  if (data !== undefined) return data;
  const path = `ConfigMap ${cluster.installedIn}/${AUDIT_HEADS_CONFIG_MAP}`;
  throw createProblemError([
    { path, expected: 'published heads and public keys', got: 'no such ConfigMap' },
  ]);
};

/**
 * The public keys as text.
 *
 * @param source for the error
 * @throws ToolError if there are none
 */
export const getPublishedKeys = (published: Published, source: string): string => {
  const found = published[PUBLIC_KEYS_NAME];
  if (found !== undefined) return found;
  throw createProblemError([
    { path: source, expected: `${PUBLIC_KEYS_NAME}, or --key`, got: 'nothing' },
  ]);
};

/** @throws ToolError */
export const parseKeys = (pem: string, source: string): PublicKeys => {
  try {
    return readPublicKeys(pem);
  } catch {
    const expected = 'Ed25519 public keys in PEM';
    throw createUsageError([{ path: source, expected, got: 'something else' }]);
  }
};

/** The heads by replica. @throws ToolError if one is invalid */
export const parseHeads = (published: Published): Readonly<Record<string, Head>> => {
  const entries = Object.entries(published).filter(([name]) => name !== PUBLIC_KEYS_NAME);
  const results = entries.map(([replica, text]) => [replica, readHead(text, replica)] as const);
  const faults = results.flatMap(([, head]) => (head.ok ? [] : head.faults));
  if (faults.length > 0) throw createProblemError(faults);
  return Object.fromEntries(
    results.flatMap(([replica, head]) => (head.ok ? [[replica, head.value] as const] : [])),
  );
};
