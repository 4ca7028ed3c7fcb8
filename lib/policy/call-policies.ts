import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';

type ActionId = 'run' | 'call';
type EntityJson = { readonly id?: string; readonly __entity?: { readonly id: string } };

const getId = ({ id, __entity }: EntityJson): string | undefined => id ?? __entity?.id;

/** The actions that the action constraint of a policy names; undefined if it names none. */
const listNamedActions = ({ action }: PolicyJson): readonly (string | undefined)[] | undefined => {
  if ('entities' in action) return action.entities.map(getId);
  return 'entity' in action ? [getId(action.entity)] : undefined;
};

/**
 * Whether a policy is about an action. One with an open constraint is about runs only: otherwise every
 * call of its pairs would have to be decided by the authority.
 */
export const isAbout = (policy: PolicyJson, action: ActionId): boolean =>
  listNamedActions(policy)?.includes(action) ?? action === 'run';
