import { BUDGET_KINDS, type Budget, type BudgetKind } from '../contract/task.ts';
import { integer, object, refine, rejectValue, type Reader } from '../schema/reader.ts';
import { convertText } from './hidden-characters.ts';

type Bounds = { readonly min: number; readonly max: number };

/** No denial at all is a budget, too. */
const BOUNDS: Readonly<Record<BudgetKind, Bounds>> = {
  calls: { min: 1, max: 1e9 },
  bytesOut: { min: 1, max: 2 ** 40 },
  denials: { min: 0, max: 1e6 },
  tokens: { min: 1, max: 1e9 },
};

const UNITS: Readonly<Record<string, number>> = { '': 1, Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30 };

const parseQuantity = (kind: BudgetKind, text: string): number | undefined => {
  const [, digits, unit = ''] = /^(0|[1-9]\d{0,12})(Ki|Mi|Gi)?$/.exec(text) ?? [];
  if (digits === undefined || (unit !== '' && kind !== 'bytesOut')) return undefined;
  return Number(digits) * (UNITS[unit] ?? NaN);
};

const quantity = (kind: BudgetKind): Reader<number> => {
  const { min, max } = BOUNDS[kind];
  const unit = kind === 'bytesOut' ? ', or with Ki, Mi or Gi,' : '';
  return convertText(`a whole number${unit} from ${min} to ${max}`, (text) => {
    const parsed = parseQuantity(kind, text);
    return parsed !== undefined && parsed >= min && parsed <= max ? parsed : undefined;
  });
};

const readMembers = (readKind: (kind: BudgetKind) => Reader<number>): Reader<Budget> =>
  refine(
    object({
      calls: { optional: readKind('calls') },
      bytesOut: { optional: readKind('bytesOut') },
      denials: { optional: readKind('denials') },
      tokens: { optional: readKind('tokens') },
    }),
    (budget) =>
      Object.keys(budget).length > 0 ? undefined : `at least one of ${BUDGET_KINDS.join(', ')}`,
  );

/** Reads the budget of a declaration, whose scalars are texts. Only APIs of provider `http` report tokens. */
export const createBudgetReader = (provider: string): Reader<Budget> => {
  const members = readMembers(quantity);
  return (value, path, faults) => {
    const budget = members(value, path, faults);
    if (typeof budget === 'symbol' || budget.tokens === undefined || provider === 'http') {
      return budget;
    }
    const expected = `no tokens in a task of provider ${provider}: only APIs of provider http report them`;
    return rejectValue(faults, { path: `${path}.tokens`, expected, value: budget.tokens });
  };
};

/** Reads the budget of an admitted task. */
export const admittedBudget: Reader<Budget> = readMembers((kind) => integer(BOUNDS[kind]));
