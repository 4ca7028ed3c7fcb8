import type { FetchJwks } from '../../identity/jwks-cache.ts';
import type { ApiClient } from './api-client.ts';
import { toKubernetesError } from './kubernetes-error.ts';

/** Creates a fetcher of the keys that sign service account tokens, from the API server. */
export const createClusterJwksFetcher =
  (calls: ApiClient): FetchJwks =>
  () =>
    calls('get cluster keys', { method: 'GET', path: '/openid/v1/jwks' });

/**
 * Reads the issuer of service account tokens.
 *
 * @throws KubernetesError
 */
export const readClusterIssuer = async (calls: ApiClient): Promise<string> => {
  const culprit = 'get cluster issuer';
  const path = '/.well-known/openid-configuration';
  const { issuer } = (await calls(culprit, { method: 'GET', path })) as { issuer?: unknown };
  if (typeof issuer === 'string' && issuer !== '') return issuer;
  throw toKubernetesError(culprit, new Error('the discovery document has no issuer'));
};
