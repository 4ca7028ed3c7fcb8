const RBAC = 'rbac.authorization.k8s.io';

/** Builds roleRef and subjects of a RoleBinding or ClusterRoleBinding. */
export const buildRoleBinding = (role: string, user: string) => ({
  subjects: [{ apiGroup: RBAC, kind: 'User', name: user }],
  roleRef: { apiGroup: RBAC, kind: 'ClusterRole', name: role },
});

/** Builds a RoleBinding of a user to the ClusterRole `edit` in one namespace. */
export const buildEditorRoleBinding = (namespace: string, user: string, labels: object = {}) => ({
  apiVersion: `${RBAC}/v1`,
  kind: 'RoleBinding',
  metadata: { name: user, namespace, labels },
  ...buildRoleBinding('edit', user),
});
