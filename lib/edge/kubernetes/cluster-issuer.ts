import type { FetchJwks } from '../../identity/jwks-cache.ts';
import type { ApiClient } from './api-client.ts';
import { toKubernetesError } from './kubernetes-error.ts';

/** The cluster's keys, from the API server itself: what its tokens are signed with. */
export const createClusterJwksFetcher =
  (calls: ApiClient): FetchJwks =>
  () =>
    calls('get cluster keys', { method: 'GET', path: '/openid/v1/jwks' });

/**
 * The issuer that the API server writes into its tokens now.
 *
 * @throws KubernetesError
 */
export const readClusterIssuer = async (calls: ApiClient): Promise<string> => {
  const culprit = 'get cluster issuer';
  const path = '/.well-known/openid-configuration';
  const { issuer } = (await calls(culprit, { method: 'GET', path })) as { issuer?: unknown };
  if (typeof issuer === 'string' && issuer !== '') return issuer;
  throw toKubernetesError(culprit, new Error('the discovery document names no issuer'));
};
