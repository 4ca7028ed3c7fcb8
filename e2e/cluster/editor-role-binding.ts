const RBAC = 'rbac.authorization.k8s.io';

/** Who is bound to what, of a RoleBinding or a ClusterRoleBinding. */
export const buildRoleBinding = (role: string, user: string) => ({
  subjects: [{ apiGroup: RBAC, kind: 'User', name: user }],
  roleRef: { apiGroup: RBAC, kind: 'ClusterRole', name: role },
});

/** A user who may edit in this namespace, and nothing else: ClusterRole `edit`. */
export const buildEditorRoleBinding = (namespace: string, user: string, labels: object = {}) => ({
  apiVersion: `${RBAC}/v1`,
  kind: 'RoleBinding',
  metadata: { name: user, namespace, labels },
  ...buildRoleBinding('edit', user),
});
