import { meetResource, type Catalogue, type CloudAction } from '../catalogue/catalogue.ts';
import type { TaskStatement } from '../contract/task.ts';
import { widenPlaces } from './resource.ts';

/** How many pairs of a concrete action and a resource can meet; those that cannot are skipped. */
export const countPairs = (statement: TaskStatement, catalogue: Catalogue): number => {
  const { concrete, resources } = planStatement(statement, catalogue);
  return resources.reduce((sum, { meets }) => sum + concrete.filter(meets).length, 0);
};

/** What a statement comes to, against the catalogue. */
export type Plan = {
  readonly declared: readonly { readonly name: string; readonly named: readonly CloudAction[] }[];
  readonly concrete: readonly CloudAction[];
  readonly resources: readonly {
    readonly resource: string;
    readonly meets: (action: CloudAction) => boolean;
  }[];
};

export const planStatement = (statement: TaskStatement, catalogue: Catalogue): Plan => {
  const declared = statement.actions.map((name) => {
    const found = catalogue.find(name);
    return { name, named: found.known ? found.actions : [] };
  });
  return {
    declared,
    concrete: [...new Set(declared.flatMap(({ named }) => named))],
    resources: statement.resources.map((resource) => ({
      resource,
      meets: meetResource(widenPlaces(resource)),
    })),
  };
};
