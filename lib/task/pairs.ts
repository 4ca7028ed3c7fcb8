import type { CloudAction, LoadCatalog } from '../catalog/catalog.ts';
import { MAX_PAIRS, type Task } from '../contract/task.ts';
import { fail, formatValue, succeed, type FieldError, type Result } from '../schema/field-error.ts';
import { readService } from './action.ts';
import { planStatement } from './statement-plan.ts';

/** One concrete action on one declared resource: what policy is asked about. */
export type Pair = {
  readonly action: CloudAction;
  /** As declared: its params' places are still places. */
  readonly resource: string;
};

/**
 * Expands a task through the catalogue to each pair of a concrete action and a resource that can
 * meet, each once. What the catalogue does not know is a fault and never left out: the session
 * policy would allow it all the same.
 *
 * @returns 1 to 256 pairs, in the order of the declaration, or every fault
 * @throws only when the catalogue's files cannot be read
 */
export const expandPairs = async (
  task: Pick<Task, 'allow'>,
  loadCatalog: LoadCatalog,
): Promise<Result<readonly Pair[]>> => {
  const actions = task.allow.flatMap((statement) => statement.actions);
  const catalogue = await loadCatalog(new Set(actions.flatMap((name) => readService(name) ?? [])));
  const pairs = new Map<string, Pair>();
  const faults: FieldError[] = [];
  for (const [index, statement] of task.allow.entries()) {
    const plan = planStatement(statement, catalogue);
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
