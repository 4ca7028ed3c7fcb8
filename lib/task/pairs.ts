import type { Catalog, CloudAction, LoadCatalog } from '../catalog/catalog.ts';
import { MAX_PAIRS, type Task, type TaskStatement } from '../contract/task.ts';
import { fail, formatValue, succeed, type FieldError, type Result } from '../schema/field-error.ts';
import { readService } from './action.ts';

/** One concrete action on one declared resource: the unit that policy decides on. */
export type Pair = {
  readonly action: CloudAction;
  /** As declared, with placeholders. */
  readonly resource: string;
  /** The task does not contain the pair: the cloud allows it with this action. */
  readonly reachedBy?: string;
};

/**
 * Lists the distinct pairs of a task in normal form: every action of a statement with every resource of
 * it, because the session policy allows exactly these. An unknown action and a short form are errors and
 * are not skipped.
 *
 * @returns 1 to 256 pairs, in the order of the statements, or all errors
 * @throws only when the files of the catalog cannot be read
 */
export const expandPairs = async (
  task: Pick<Task, 'allow'>,
  loadCatalog: LoadCatalog,
): Promise<Result<readonly Pair[]>> => {
  const actions = task.allow.flatMap((statement) => statement.actions);
  const catalog = await loadCatalog(new Set(actions.flatMap((name) => readService(name) ?? [])));
  const pairs = new Map<string, Pair>();
  const faults: FieldError[] = [];
  for (const [index, statement] of task.allow.entries()) {
    const { concrete, errors } = findConcreteActions(statement, catalog, `allow[${index}].actions`);
    faults.push(...errors);
    for (const resource of statement.resources) {
      for (const action of concrete) pairs.set(`${action.name} ${resource}`, { action, resource });
    }
  }
  faults.push(...checkPairCount(pairs.size));
  return faults.length > 0 ? fail(faults) : succeed([...pairs.values()]);
};

type ConcreteActions = {
  readonly concrete: readonly CloudAction[];
  readonly errors: readonly FieldError[];
};

const findConcreteActions = (
  { actions }: TaskStatement,
  catalog: Catalog,
  path: string,
): ConcreteActions => {
  const named = actions.map((name) => {
    const found = catalog.find(name);
    return found.known && !name.includes('*') ? found.actions : [];
  });
  const errors = actions.flatMap((name, index) =>
    named[index]?.length === 0
      ? [
          {
            path: `${path}[${index}]`,
            expected: 'an action that exists, written out',
            got: formatValue(name),
          },
        ]
      : [],
  );
  return { concrete: named.flat(), errors };
};

const checkPairCount = (count: number): readonly FieldError[] =>
  count >= 1 && count <= MAX_PAIRS
    ? []
    : [
        {
          path: 'allow',
          expected: `1 to ${MAX_PAIRS} pairs of an action and a resource`,
          got: `${count}`,
        },
      ];
