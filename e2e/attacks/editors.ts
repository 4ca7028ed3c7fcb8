import { boundTo, editorIn } from '../cluster/editors.ts';
import type { Caller } from './api-server.ts';
import type { Attack } from './table.ts';

const EDITOR = 'attacks-editor';
const BREAK_GLASS = 'story-break-glass';

/** On whatever stands outside of the story's namespace. */
export const OWN_LABEL = 'e2e.valetkey.dev/attacks';

const slug = (right: string): string => right.replaceAll(/[^a-z]+/g, '-');

/** Each set of rights is a user's of its own: nobody may more than the attack says. */
const userOf = (may: readonly string[]): string => [EDITOR, ...may.map(slug)].join('-');

/** Whom the API server takes the sender of an attack for. */
export const callerOf = ({ as, may = [] }: Pick<Attack, 'as' | 'may'>): Caller => ({
  user: userOf(may),
  ...(as === 'break-glass' && { groups: [BREAK_GLASS] }),
});

const RBAC = 'rbac.authorization.k8s.io';
const labels = { [OWN_LABEL]: 'true' };

/** Of the editor that no attack gives further rights. */
export const plainEditorIn = (namespace: string) => editorIn(namespace, EDITOR, labels);

/** `edit` in a namespace for every sender of these attacks, and beside it what each of them states. */
export const editorsOf = (attacks: readonly Attack[], namespace: string): object[] => {
  const sets = new Map(attacks.map(({ may = [] }) => [userOf(may), may]));
  return [...sets].flatMap(([user, may]) => [
    editorIn(namespace, user, labels),
    ...may.flatMap((right) => grant(right, user, namespace)),
  ]);
};

/** @param right `<verb> <resource>[/<subresource>][.<group>]`; those of a group are the cluster's */
const grant = (right: string, user: string, namespace: string): object[] => {
  const [verb = '', named = ''] = right.split(' ');
  const [resource = '', ...group] = named.split('.');
  const name = `${EDITOR}-${slug(right)}`;
  const binding = `${user}-${slug(right)}`.slice(0, 200);
  const isOfCluster = group.length > 0;
  const kind = isOfCluster ? 'ClusterRoleBinding' : 'RoleBinding';
  return [
    {
      ...{ apiVersion: `${RBAC}/v1`, kind: 'ClusterRole', metadata: { name, labels } },
      rules: [{ apiGroups: [group.join('.')], resources: [resource], verbs: [verb] }],
    },
    {
      ...{ apiVersion: `${RBAC}/v1`, kind },
      metadata: { name: binding, labels, ...(!isOfCluster && { namespace }) },
      ...boundTo(name, user),
    },
  ];
};
