import type { ApiClient } from './api-client.ts';
import { toKubernetesError } from './kubernetes-error.ts';

/**
 * Reads this process's own user name at the API server (authentication.k8s.io/v1, SelfSubjectReview).
 * Admission sees it as `request.userInfo.username`.
 *
 * @throws KubernetesError
 */
export const readOwnUsername = async (calls: ApiClient): Promise<string> => {
  const culprit = 'create selfsubjectreview';
  const apiVersion = 'authentication.k8s.io/v1';
  const path = `/apis/${apiVersion}/selfsubjectreviews`;
  const body = { apiVersion, kind: 'SelfSubjectReview' };
  const response = await calls(culprit, { method: 'POST', path, body, isRepeatable: true });
  const { status } = response as { status?: { userInfo?: { username?: string } } };
  const username = status?.userInfo?.username ?? '';
  if (username !== '') return username;
  throw toKubernetesError(culprit, new Error('the response has no user name'));
};
