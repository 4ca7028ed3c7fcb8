import type { ApiClient } from './api-client.ts';
import { toMapping } from '../../schema/mapping.ts';
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

/** A right at the API server. */
export type AccessQuestion = {
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly name?: string;
  /** Absent: in the whole cluster. */
  readonly namespace?: string;
};

/**
 * Asks the API server whether this process's own user has a right (authorization.k8s.io/v1,
 * SelfSubjectAccessReview). Admission may still refuse the request itself.
 *
 * @throws KubernetesError
 */
export const checkOwnAccess = async (
  calls: ApiClient,
  question: AccessQuestion,
): Promise<boolean> => {
  const apiVersion = 'authorization.k8s.io/v1';
  const path = `/apis/${apiVersion}/selfsubjectaccessreviews`;
  const spec = { resourceAttributes: question };
  const body = { apiVersion, kind: 'SelfSubjectAccessReview', spec };
  const call = { method: 'POST', path, body, isRepeatable: true } as const;
  const response = toMapping(await calls('create selfsubjectaccessreview', call));
  return toMapping(response['status'])['allowed'] === true;
};

/** A user of the API server, with the groups that it has. */
export type AccessSubject = { readonly user: string; readonly groups: readonly string[] };

/**
 * Asks the API server whether another user has a right (authorization.k8s.io/v1, SubjectAccessReview).
 *
 * @throws KubernetesError
 */
export const checkSubjectAccess = async (
  calls: ApiClient,
  subject: AccessSubject,
  question: AccessQuestion,
): Promise<boolean> => {
  const apiVersion = 'authorization.k8s.io/v1';
  const path = `/apis/${apiVersion}/subjectaccessreviews`;
  const spec = { ...subject, resourceAttributes: question };
  const body = { apiVersion, kind: 'SubjectAccessReview', spec };
  const call = { method: 'POST', path, body, isRepeatable: true } as const;
  const response = toMapping(await calls('create subjectaccessreview', call));
  return toMapping(response['status'])['allowed'] === true;
};
