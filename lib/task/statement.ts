import type { TaskLimits } from '../contract/platform.ts';
import { list, object, rejectValue, type Reader } from '../schema/reader.ts';
import { actionPattern } from './action.ts';
import {
  findActions,
  planStatement,
  type ActionContext,
  type StatementPlan,
} from './statement-plan.ts';
import { checkActions, checkDelivery, checkMinting, checkResources } from './statement-checks.ts';
import { createResourceReader } from './resource.ts';

/** What a statement is checked against. */
export type StatementContext = ActionContext & {
  readonly limits: TaskLimits;
  /** Names of the params that the task declares. */
  readonly params: ReadonlySet<string>;
  /** Minting actions that the platform allows this task's role, in lower case. */
  readonly mintingActions: ReadonlySet<string>;
};

/** Each action and each resource makes at least one pair, so more would exceed the number of pairs. */
const MAX_LISTED = 256;

/** Reads one element of `allow`. Its plan is not in normal form: see `groupPairs`. */
export const createStatementReader = (context: StatementContext): Reader<StatementPlan> => {
  const members = object({
    actions: list(createActionReader(context), { min: 1, max: MAX_LISTED }),
    resources: list(createResourceReader(context), { min: 1, max: MAX_LISTED }),
  });
  return (value, path, faults) => {
    const given = members(value, path, faults);
    if (typeof given === 'symbol') return given;
    const { actions, resources } = given;
    const plan = planStatement({ actions, resources: [...new Set(resources)] }, context);
    faults.push(
      ...checkResources(plan, context.limits, path),
      ...checkActions(plan, path),
      ...checkDelivery(plan, context.delivery, path),
      ...checkMinting(plan, context.mintingActions, path),
    );
    return plan;
  };
};

/** Reads an action that exists, in canonical case, or a short form of such actions. */
const createActionReader =
  (context: ActionContext): Reader<string> =>
  (value, path, faults) => {
    const given = actionPattern(value, path, faults);
    if (typeof given !== 'string') return given;
    const [first] = findActions(given, context);
    if (first !== undefined) return given.includes('*') ? given : first.name;
    return rejectValue(faults, { path, expected: describeExpectedAction(given, context), value });
  };

const describeExpectedAction = (given: string, { catalog }: ActionContext): string => {
  const found = catalog.find(given);
  if (found.known) {
    return 'an action that is written out: in dialect s3, a short form covers only actions that MinIO and Ceph RGW both have';
  }
  const hint = found.nearest === undefined ? '' : `; the nearest is ${found.nearest}`;
  return `an action that exists${hint}`;
};
