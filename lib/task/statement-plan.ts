import { matchResource, type Catalog, type CloudAction } from '../catalog/catalog.ts';
import type { TaskStatement } from '../contract/task.ts';
import { widenPlaceholders } from './resource.ts';

/** Counts the pairs of a concrete action and a resource that the action can take. */
export const countPairs = (statement: TaskStatement, catalog: Catalog): number => {
  const { concrete, resources } = planStatement(statement, catalog);
  return resources.reduce((sum, { matches }) => sum + concrete.filter(matches).length, 0);
};

/** A statement, expanded with the catalog. */
export type StatementPlan = {
  readonly declared: readonly { readonly name: string; readonly named: readonly CloudAction[] }[];
  readonly concrete: readonly CloudAction[];
  readonly resources: readonly {
    readonly resource: string;
    readonly matches: (action: CloudAction) => boolean;
  }[];
};

/** Expands a statement to concrete actions. Unknown actions have none. */
export const planStatement = (statement: TaskStatement, catalog: Catalog): StatementPlan => {
  const declared = statement.actions.map((name) => {
    const found = catalog.find(name);
    return { name, named: found.known ? found.actions : [] };
  });
  return {
    declared,
    concrete: [...new Set(declared.flatMap(({ named }) => named))],
    resources: statement.resources.map((resource) => ({
      resource,
      matches: matchResource(widenPlaceholders(resource)),
    })),
  };
};
