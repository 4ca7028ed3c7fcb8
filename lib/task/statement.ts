import type { Catalogue } from '../catalogue/catalogue.ts';
import type { TaskLimits } from '../contract/platform.ts';
import type { TaskStatement } from '../contract/task.ts';
import { list, object, refuse, type Reader } from '../reading/reader.ts';
import { actionPattern } from './action.ts';
import { planStatement } from './plan.ts';
import { judgeActions, judgeMinting, judgeResources } from './refusals.ts';
import { resourceReader } from './resource.ts';

/** What a statement is judged by, beside itself. */
export type StatementContext = {
  readonly limits: TaskLimits;
  readonly catalogue: Catalogue;
  /** Names of the params that the task declares. */
  readonly params: ReadonlySet<string>;
  /** Minting actions that the platform allows this task's role, in lower case. */
  readonly mintingActions: ReadonlySet<string>;
};

/** Each action and each resource makes at least one pair: more would be too many pairs anyway. */
const MAX_LISTED = 256;

/** One element of `allow`. */
export const statementReader = (context: StatementContext): Reader<TaskStatement> => {
  const members = object({
    actions: list(actionReader(context.catalogue), { min: 1, max: MAX_LISTED }),
    resources: list(resourceReader(context), { min: 1, max: MAX_LISTED }),
  });
  return (value, path, faults) => {
    const given = members(value, path, faults);
    if (typeof given === 'symbol') return given;
    const statement = { actions: unique(given.actions), resources: unique(given.resources) };
    const plan = planStatement(given, context.catalogue);
    faults.push(
      ...judgeResources(plan, context.limits, path),
      ...judgeActions(plan, path),
      ...judgeMinting(plan, context.mintingActions, path),
    );
    return statement;
  };
};

/** An action that exists, brought to its proper case. */
const actionReader =
  (catalogue: Catalogue): Reader<string> =>
  (value, path, faults) => {
    const given = actionPattern(value, path, faults);
    if (typeof given !== 'string') return given;
    const named = catalogue.find(given);
    if (named.known) return named.name;
    const hint = named.nearest === undefined ? '' : `; the nearest is ${named.nearest}`;
    return refuse(faults, { path, expected: `an action that exists${hint}`, value });
  };

const unique = (names: readonly string[]): readonly string[] => [...new Set(names)];
