import { matchResource, type Catalog, type CloudAction } from '../catalog/catalog.ts';
import type { TaskStatement } from '../contract/task.ts';
import { widenPlaceholders } from './resource.ts';

/** How many pairs of a concrete action and a resource can meet; those that cannot are skipped. */
export const countPairs = (statement: TaskStatement, catalogue: Catalog): number => {
  const { concrete, resources } = planStatement(statement, catalogue);
  return resources.reduce((sum, { matches }) => sum + concrete.filter(matches).length, 0);
};

/** What a statement comes to, against the catalogue. */
export type StatementPlan = {
  readonly declared: readonly { readonly name: string; readonly named: readonly CloudAction[] }[];
  readonly concrete: readonly CloudAction[];
  readonly resources: readonly {
    readonly resource: string;
    readonly matches: (action: CloudAction) => boolean;
  }[];
};

export const planStatement = (statement: TaskStatement, catalogue: Catalog): StatementPlan => {
  const declared = statement.actions.map((name) => {
    const found = catalogue.find(name);
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
