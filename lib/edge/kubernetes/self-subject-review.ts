import type { ApiClient } from './api-client.ts';
import { toKubernetesError } from './kubernetes-error.ts';

/**
 * The name under which the API server knows us (authentication.k8s.io/v1, SelfSubjectReview): what
 * `request.userInfo.username` is for whoever judges what we create.
 *
 * @throws KubernetesError
 */
export const readOwnUsername = async (calls: ApiClient): Promise<string> => {
  const culprit = 'create selfsubjectreview';
  const apiVersion = 'authentication.k8s.io/v1';
  const path = `/apis/${apiVersion}/selfsubjectreviews`;
  const body = { apiVersion, kind: 'SelfSubjectReview' };
  const answer = await calls(culprit, { method: 'POST', path, body, isRepeatable: true });
  const { status } = answer as { status?: { userInfo?: { username?: string } } };
  const username = status?.userInfo?.username ?? '';
  if (username !== '') return username;
  throw toKubernetesError(culprit, new Error('the answer names nobody'));
};
