import { buildRoleBinding, buildEditorRoleBinding } from '../cluster/editor-role-binding.ts';
import type { ApiCaller } from './api-server-client.ts';
import type { Attack } from './attack-table.ts';

const EDITOR = 'attacks-editor';
const BREAK_GLASS = 'e2e-break-glass';

/** On whatever stands outside of the story's namespace. */
export const ATTACK_LABEL = 'e2e.valetkey.dev/attacks';

const toSlug = (right: string): string => right.replaceAll(/[^a-z]+/g, '-');

/** Each set of rights is a user's of its own: nobody may more than the attack says. */
const buildUserName = (may: readonly string[]): string => [EDITOR, ...may.map(toSlug)].join('-');

/** Whom the API server takes the sender of an attack for. */
export const buildCaller = ({ as, may = [] }: Pick<Attack, 'as' | 'may'>): ApiCaller => ({
  user: buildUserName(may),
  ...(as === 'break-glass' && { groups: [BREAK_GLASS] }),
});

const RBAC = 'rbac.authorization.k8s.io';
const attackLabels = { [ATTACK_LABEL]: 'true' };

/** Of the editor that no attack gives further rights. */
export const buildEditorBinding = (namespace: string) =>
  buildEditorRoleBinding(namespace, EDITOR, attackLabels);

/** `edit` in a namespace for every sender of these attacks, and beside it what each of them states. */
export const buildEditorObjects = (attacks: readonly Attack[], namespace: string): object[] => {
  const sets = new Map(attacks.map(({ may = [] }) => [buildUserName(may), may]));
  return [...sets].flatMap(([user, may]) => [
    buildEditorRoleBinding(namespace, user, attackLabels),
    ...may.flatMap((right) => buildGrant(right, user, namespace)),
  ]);
};

/** @param right `<verb> <resource>[/<subresource>][.<group>]`; those of a group are the cluster's */
const buildGrant = (right: string, user: string, namespace: string): object[] => {
  const [verb = '', named = ''] = right.split(' ');
  const [resource = '', ...group] = named.split('.');
  const name = `${EDITOR}-${toSlug(right)}`;
  const binding = `${user}-${toSlug(right)}`.slice(0, 200);
  const isOfCluster = group.length > 0;
  const kind = isOfCluster ? 'ClusterRoleBinding' : 'RoleBinding';
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
      metadata: { name: binding, labels: attackLabels, ...(!isOfCluster && { namespace }) },
      ...buildRoleBinding(name, user),
    },
  ];
};
