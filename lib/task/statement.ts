import type { Catalog } from '../catalog/catalog.ts';
import type { TaskLimits } from '../contract/platform.ts';
import type { TaskStatement } from '../contract/task.ts';
import { list, object, rejectValue, type Reader } from '../schema/reader.ts';
import { actionPattern } from './action.ts';
import { planStatement } from './statement-plan.ts';
import { checkActions, checkMinting, checkResources } from './statement-checks.ts';
import { createResourceReader } from './resource.ts';

/** What a statement is checked against. */
export type StatementContext = {
  readonly limits: TaskLimits;
  readonly catalog: Catalog;
  /** Names of the params that the task declares. */
  readonly params: ReadonlySet<string>;
  /** Minting actions that the platform allows this task's role, in lower case. */
  readonly mintingActions: ReadonlySet<string>;
};

/** Each action and each resource makes at least one pair, so more would exceed the number of pairs. */
const MAX_LISTED = 256;

/** Reads one element of `allow`. */
export const createStatementReader = (context: StatementContext): Reader<TaskStatement> => {
  const members = object({
    actions: list(createActionReader(context.catalog), { min: 1, max: MAX_LISTED }),
    resources: list(createResourceReader(context), { min: 1, max: MAX_LISTED }),
  });
  return (value, path, faults) => {
    const given = members(value, path, faults);
    if (typeof given === 'symbol') return given;
    const statement = {
      actions: deduplicateNames(given.actions),
      resources: deduplicateNames(given.resources),
    };
    const plan = planStatement(given, context.catalog);
    faults.push(
      ...checkResources(plan, context.limits, path),
      ...checkActions(plan, path),
      ...checkMinting(plan, context.mintingActions, path),
    );
    return statement;
  };
};

/** Reads an action that exists, and normalizes its case. */
const createActionReader =
  (catalog: Catalog): Reader<string> =>
  (value, path, faults) => {
    const given = actionPattern(value, path, faults);
    if (typeof given !== 'string') return given;
    const named = catalog.find(given);
    if (named.known) return named.name;
    const hint = named.nearest === undefined ? '' : `; the nearest is ${named.nearest}`;
    return rejectValue(faults, { path, expected: `an action that exists${hint}`, value });
  };

const deduplicateNames = (names: readonly string[]): readonly string[] => [...new Set(names)];
