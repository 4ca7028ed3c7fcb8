import { REQUEST_NAME, SAMPLE_APPROVAL } from './approval-cases.ts';

/** Who decides, and what only they may do: the cluster's RBAC for the table below. */
export const APPROVER = 'mara@example.com';
/** May create pods in the namespace, and decide about the group in the whole cluster. */
const AUTHOR = 'pod-author@example.com';
/** Has verb `breakglass` only. */
export const ON_CALL = 'oncall@example.com';
/** Has every right in the namespace, by a RoleBinding to `cluster-admin`. */
export const NAMESPACE_ADMIN = 'namespace-admin@example.com';
/** Has no right on the group. */
export const REQUESTER = 'requester@example.com';

const RBAC = 'rbac.authorization.k8s.io';

const buildBinding = (kind: 'RoleBinding' | 'ClusterRoleBinding', options: object) => ({
  apiVersion: `${RBAC}/v1`,
  kind,
  ...options,
});
const users = (...names: readonly string[]) =>
  names.map((name) => ({ apiGroup: RBAC, kind: 'User', name }));
const clusterRole = (name: string) => ({ apiGroup: RBAC, kind: 'ClusterRole', name });

/** Builds roles and bindings for the table; every name contains `suffix`. */
export const buildApprovalRights = (namespace: string, suffix: string): object[] => {
  const serviceAccount = { kind: 'ServiceAccount', name: 'agent', namespace };
  const role = (verb: string) => ({
    apiVersion: `${RBAC}/v1`,
    kind: 'ClusterRole',
    metadata: { name: `${verb}-${suffix}` },
    rules: [
      {
        apiGroups: ['valetkey.dev'],
        resources: ['approvalgroups'],
        resourceNames: ['data-owners'],
        verbs: [verb],
      },
    ],
  });
  const grant = (verb: string, subjects: object[]) =>
    buildBinding('ClusterRoleBinding', {
      metadata: { name: `${verb}-${suffix}` },
      roleRef: clusterRole(`${verb}-${suffix}`),
      subjects,
    });
  const node = { apiGroup: RBAC, kind: 'User', name: 'system:node:any' };
  return [
    role('approve'),
    role('breakglass'),
    grant('approve', [...users(APPROVER, AUTHOR), serviceAccount, node]),
    grant('breakglass', users(ON_CALL)),
    buildBinding('RoleBinding', {
      metadata: { name: 'approvers', namespace },
      roleRef: clusterRole('valetkey-approver'),
      subjects: [...users(APPROVER, AUTHOR, ON_CALL, REQUESTER), serviceAccount, node],
    }),
    buildBinding('RoleBinding', {
      metadata: { name: 'admin', namespace },
      roleRef: clusterRole('cluster-admin'),
      subjects: users(NAMESPACE_ADMIN),
    }),
    buildBinding('RoleBinding', {
      metadata: { name: 'author', namespace },
      roleRef: clusterRole('edit'),
      subjects: users(AUTHOR),
    }),
  ];
};

/** Who creates which Approval, and what the API server's refusal contains; nothing: it is created. */
export type RightCase = {
  readonly title: string;
  readonly user: string;
  readonly groups?: readonly string[];
  readonly change?: object;
  readonly label?: string;
  readonly refusal?: string;
  /** With `separateDuties`; absent: the same. */
  readonly separated?: string;
};

const NO_RIGHT = 'on approvalgroups/data-owners in the whole cluster';
const NO_PERSON = 'expected a person';
const emergency = { incident: 'INC-1' };

/** @param namespace of the service account among the users */
export const buildRightCases = (namespace: string): readonly RightCase[] => [
  { title: 'an approver with a right in the whole cluster', user: APPROVER },
  { title: 'an approver who denies', user: APPROVER, change: { decision: 'deny' } },
  { title: 'a requester without a right on the group', user: REQUESTER, refusal: NO_RIGHT },
  {
    title: "a namespace's administrator with every right there",
    user: NAMESPACE_ADMIN,
    refusal: NO_RIGHT,
  },
  {
    title: "a namespace's administrator in an emergency",
    user: NAMESPACE_ADMIN,
    change: { emergency },
    refusal: 'verb breakglass',
  },
  {
    title: 'a service account, even with the right',
    user: `system:serviceaccount:${namespace}:agent`,
    groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`],
    refusal: NO_PERSON,
  },
  {
    title: 'a node, even with the right',
    user: 'system:node:any',
    groups: ['system:nodes'],
    refusal: NO_PERSON,
  },
  {
    title: "another person's name",
    user: APPROVER,
    change: { by: AUTHOR },
    refusal: `expected ${APPROVER}, the user who creates it`,
  },
  {
    title: 'another label than the name of the request',
    user: APPROVER,
    label: 'ar-99999999999999999999',
    refusal: 'valetkey.dev~1request',
  },
  {
    title: 'a group that the approver does not belong to',
    user: APPROVER,
    change: { group: 'security' },
    refusal: 'on approvalgroups/security in the whole cluster',
  },
  {
    title: 'an approver in an emergency, without that verb',
    user: APPROVER,
    change: { emergency },
    refusal: 'verb breakglass',
  },
  { title: 'on-call in an emergency', user: ON_CALL, change: { emergency } },
  { title: 'on-call without an emergency', user: ON_CALL, refusal: NO_RIGHT },
  {
    title: 'an approver who may create pods there',
    user: AUTHOR,
    separated: 'expected a user who may not create pods',
  },
];

/** Builds the Approval of a case, to be created in this namespace. */
export const buildApproval = (
  namespace: string,
  { user, change = {}, label = REQUEST_NAME }: Pick<RightCase, 'user' | 'change' | 'label'>,
) => ({
  apiVersion: 'valetkey.dev/v1alpha1',
  kind: 'Approval',
  metadata: {
    generateName: 'e2e-',
    namespace,
    labels: { 'valetkey.dev/request': label },
  },
  spec: { ...SAMPLE_APPROVAL, by: user, ...change },
});
