import type { CloudAction, LoadCatalog } from '../catalog/catalog.ts';
import { MAX_PAIRS, type Task } from '../contract/task.ts';
import { fail, formatValue, succeed, type FieldError, type Result } from '../schema/field-error.ts';
import { readService } from './action.ts';
import { planStatement } from './statement-plan.ts';

/** One concrete action on one declared resource: the unit that policy decides on. */
export type Pair = {
  readonly action: CloudAction;
  /** As declared, with placeholders. */
  readonly resource: string;
};

/**
 * Expands a task to its distinct pairs of a concrete action and a resource that the action can take. An
 * unknown action is an error and is not skipped, because the session policy would allow it.
 *
 * @returns 1 to 256 pairs, in the order of the declaration, or all errors
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
    const plan = planStatement(statement, catalog);
    faults.push(...checkActionsExist(plan.declared, `allow[${index}].actions`));
    for (const { resource, matches } of plan.resources) {
      for (const action of plan.concrete.filter(matches)) {
        pairs.set(`${action.name} ${resource}`, { action, resource });
      }
    }
  }
  faults.push(...checkPairCount(pairs.size));
  return faults.length > 0 ? fail(faults) : succeed([...pairs.values()]);
};

type DeclaredAction = { readonly name: string; readonly named: readonly CloudAction[] };

const checkActionsExist = (
  declared: readonly DeclaredAction[],
  path: string,
): readonly FieldError[] =>
  declared.flatMap(({ name, named }, index) =>
    named.length > 0
      ? []
      : [{ path: `${path}[${index}]`, expected: 'an action that exists', got: formatValue(name) }],
  );

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
