import { buildRoleBinding, buildEditorRoleBinding } from '../cluster/editor-role-binding.ts';
import type { ApiCaller } from './api-server-client.ts';
import type { Attack } from './attack-table.ts';

const EDITOR = 'attacks-editor';
const BREAK_GLASS = 'e2e-break-glass';

/** Label of every object outside the namespace of the attacks. */
export const ATTACK_LABEL = 'e2e.valetkey.dev/attacks';

const toSlug = (right: string): string => right.replaceAll(/[^a-z]+/g, '-');

/** Each set of rights has its own user, who has only these rights. */
const buildUserName = (may: readonly string[]): string => [EDITOR, ...may.map(toSlug)].join('-');

/** Returns user and groups of the sender of an attack. */
export const buildCaller = ({ as, may = [] }: Pick<Attack, 'as' | 'may'>): ApiCaller => ({
  user: buildUserName(may),
  ...(as === 'break-glass' && { groups: [BREAK_GLASS] }),
});

const RBAC = 'rbac.authorization.k8s.io';
const attackLabels = { [ATTACK_LABEL]: 'true' };

/** Builds the RoleBinding of the editor without further rights. */
export const buildEditorBinding = (namespace: string) =>
  buildEditorRoleBinding(namespace, EDITOR, attackLabels);

/** Builds the bindings of every sender: `edit` in the namespace, and the further rights of each attack. */
export const buildEditorObjects = (attacks: readonly Attack[], namespace: string): object[] => {
  const sets = new Map(attacks.map(({ may = [] }) => [buildUserName(may), may]));
  return [...sets].flatMap(([user, may]) => [
    buildEditorRoleBinding(namespace, user, attackLabels),
    ...may.flatMap((right) => buildGrant(right, user, namespace)),
  ]);
};

/** @param right `<verb> <resource>[/<subresource>][.<group>]`; with a group, it is cluster-scoped */
const buildGrant = (right: string, user: string, namespace: string): object[] => {
  const [verb = '', named = ''] = right.split(' ');
  const [resource = '', ...group] = named.split('.');
  const name = `${EDITOR}-${toSlug(right)}`;
  const binding = `${user}-${toSlug(right)}`.slice(0, 200);
  const isClusterScoped = group.length > 0;
  const kind = isClusterScoped ? 'ClusterRoleBinding' : 'RoleBinding';
  return [
    {
      ...{
        apiVersion: `${RBAC}/v1`,
        kind: 'ClusterRole',
        metadata: { name, labels: attackLabels },
      },
      rules: [{ apiGroups: [group.join('.')], resources: [resource], verbs: [verb] }],
    },
    {
      ...{ apiVersion: `${RBAC}/v1`, kind },
      metadata: { name: binding, labels: attackLabels, ...(!isClusterScoped && { namespace }) },
      ...buildRoleBinding(name, user),
    },
  ];
};
