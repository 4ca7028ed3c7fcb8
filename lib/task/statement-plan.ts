import { matchResource, type Catalog, type CloudAction } from '../catalog/catalog.ts';
import { S3_INCLUDED_ACTIONS, S3_SHARED_ACTIONS } from '../catalog/s3-actions.ts';
import type { CloudSettings } from '../contract/platform.ts';
import type { Delivery, TaskStatement } from '../contract/task.ts';
import { widenPlaceholders } from './resource.ts';

/** What actions are looked up in. */
export type ActionContext = {
  readonly catalog: Catalog;
  readonly dialect: CloudSettings['dialect'];
  readonly delivery: Delivery;
};

/** A statement as it is declared, expanded with the catalog. */
export type StatementPlan = {
  readonly declared: readonly { readonly name: string; readonly named: readonly CloudAction[] }[];
  /** All actions that are named. */
  readonly concrete: readonly CloudAction[];
  /** The actions of its pairs. */
  readonly paired: readonly CloudAction[];
  readonly resources: readonly {
    readonly resource: string;
    /** Whether the action can take this resource, by the ARNs that its service documents. */
    readonly matches: (action: CloudAction) => boolean;
    /** Whether they are a pair, which policy evaluates and the session policy allows. */
    readonly isPair: (action: CloudAction) => boolean;
  }[];
};

/**
 * Expands a statement to concrete actions. Unknown actions have none.
 *
 * In dialect `aws`, an action and a resource that it cannot take are no pair. In dialect `s3`, each action
 * makes a pair with each resource, because MinIO evaluates a request to a bucket as the resource
 * `bucket/`, which also the pattern `bucket/*` of its objects matches. In both dialects, a short form
 * covers only actions that can take a resource of the statement.
 */
export const planStatement = (statement: TaskStatement, context: ActionContext): StatementPlan => {
  const declared = statement.actions.map((name) => ({
    name,
    named: findUsableActions(name, context),
  }));
  const resources = statement.resources.map((resource) => {
    const matches = matchResource(widenPlaceholders(resource));
    return { resource, matches, isPair: context.dialect === 's3' ? () => true : matches };
  });
  const covered = declared.flatMap(({ name, named }) =>
    name.includes('*')
      ? named.filter((action) => resources.some(({ matches }) => matches(action)))
      : named,
  );
  return {
    declared,
    concrete: [...new Set(declared.flatMap(({ named }) => named))],
    paired: [...new Set([...covered, ...listIncluded(covered, context)])],
    resources,
  };
};

/** Finds the concrete actions that a declared action names; none if it is unknown. */
export const findActions = (
  name: string,
  { catalog, dialect }: Pick<ActionContext, 'catalog' | 'dialect'>,
): readonly CloudAction[] => {
  const found = catalog.find(name);
  if (!found.known) return [];
  return dialect === 's3' && name.includes('*')
    ? found.actions.filter((action) => S3_SHARED_ACTIONS.has(action.name))
    : found.actions;
};

/** A signed task gets only actions that a request to the gateway can need. If there are none, it is refused. */
const findUsableActions = (name: string, context: ActionContext): readonly CloudAction[] => {
  const named = findActions(name, context);
  const usable = named.filter(({ isVendOnly }) => isVendOnly !== true);
  return context.delivery === 'vend' || usable.length === 0 ? named : usable;
};

const listIncluded = (
  actions: readonly CloudAction[],
  context: ActionContext,
): readonly CloudAction[] =>
  context.dialect === 'aws'
    ? []
    : actions.flatMap(({ name }) => {
        const included = S3_INCLUDED_ACTIONS.get(name);
        return included === undefined ? [] : findActions(included, context);
      });

/** Counts the pairs of a concrete action and a resource. */
export const countPairs = ({ paired, resources }: StatementPlan): number =>
  resources.reduce((sum, { isPair }) => sum + paired.filter(isPair).length, 0);

/**
 * Groups the pairs of a statement to statements in normal form: each action of them makes a pair with
 * each resource, so they contain the pairs and nothing else. A statement in normal form remains as it is.
 */
export const groupPairs = ({ paired, resources }: StatementPlan): readonly TaskStatement[] => {
  const groups = new Map<string, { actions: string[]; resources: readonly string[] }>();
  for (const action of paired) {
    const taken = resources.filter(({ isPair }) => isPair(action)).map(({ resource }) => resource);
    const key = taken.join('\n');
    const group = groups.get(key);
    if (group !== undefined) group.actions.push(action.name);
    else if (taken.length > 0) groups.set(key, { actions: [action.name], resources: taken });
  }
  return [...groups.values()];
};
