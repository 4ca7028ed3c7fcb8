import type { Catalogue } from '../catalogue/catalogue.ts';
import type { CloudSettings, TaskLimits } from '../contract/platform.ts';
import { MAX_PAIRS, MAX_PURPOSE_LENGTH, type Task, type TaskStatement } from '../contract/task.ts';
import type { Fault } from '../reading/fault.ts';
import {
  checked,
  list,
  object,
  oneOf,
  record,
  refuse,
  string,
  type Reader,
} from '../reading/reader.ts';
import { glimpseDeclaration, mappingOf, type Glimpse } from './glimpse.ts';
import { lifetimeReader } from './lifetime.ts';
import { paramRule } from './params.ts';
import { countPairs } from './plan.ts';
import { PARAM_NAME } from './resource.ts';
import { roleReader } from './role.ts';
import { statementReader } from './statement.ts';
import { converted } from './text.ts';

/** The containers of a pod, as far as tasks may name them. */
export type PodConsumers = {
  /** Ordinary containers: the consumers where a task names none. */
  readonly containers: readonly string[];
  /** Init containers, native sidecars and ignored containers: consumers only when a task names them. */
  readonly addressable: readonly string[];
};

/** What a declaration is judged by, beside itself. */
export type DeclarationContext = {
  readonly consumers: PodConsumers;
  readonly limits: TaskLimits;
  readonly dialect: CloudSettings['dialect'];
  readonly catalogue: Catalogue;
};

const MAX_PARAMS = 16;
/** A session policy has room for fewer. */
const MAX_STATEMENTS = 32;

/**
 * Reads one declaration, parsed but foreign, to a task. What its members must know of each other is
 * glimpsed beforehand, so that a fault in one hides no fault in another.
 */
export const declarationReader = (name: string, context: DeclarationContext): Reader<Task> => {
  const { limits, dialect } = context;
  return (value, path, faults) => {
    const glimpse = glimpseDeclaration(value);
    const members = object({
      provider: { reader: oneOf(['aws']), otherwise: 'aws' as const },
      role: roleReader(limits, dialect),
      allow: allowReader(glimpse, context),
      params: { reader: paramsReader(glimpse), otherwise: {} },
      lifetime: lifetimeReader(limits),
      purpose: { optional: purpose },
      delivery: { reader: deliveryReader, otherwise: limits.delivery },
      containers: containersReader(context.consumers),
      default: { reader: defaultReader(glimpse), otherwise: false },
      exclusive: { reader: flag, otherwise: false },
    })(value, path, faults);
    if (typeof members === 'symbol') return members;
    const { provider, role, allow, params, lifetime, ...rest } = members;
    return { name, provider, role, allow, params, lifetimeSeconds: lifetime, ...rest };
  };
};

const allowReader = (
  { role, params }: Glimpse,
  { limits, catalogue }: DeclarationContext,
): Reader<readonly TaskStatement[]> => {
  const listed = Object.hasOwn(limits.mintingActions, role) ? limits.mintingActions[role] : [];
  const mintingActions = new Set(listed?.map((action) => action.toLowerCase()));
  const statements = list(statementReader({ limits, catalogue, params, mintingActions }), {
    min: 1,
    max: MAX_STATEMENTS,
  });
  return (value, path, faults) => {
    const allow = statements(value, path, faults);
    if (typeof allow === 'symbol') return allow;
    const pairs = allow.reduce((sum, statement) => sum + countPairs(statement, catalogue), 0);
    if (pairs <= MAX_PAIRS) return allow;
    const expected = `at most ${MAX_PAIRS} pairs of a concrete action and a resource`;
    return pushFault(faults, { path, expected, got: `${pairs}` }, allow);
  };
};

/** Reports a fault and goes on with what was read. */
const pushFault = <T>(faults: Fault[], fault: Fault, value: T): T => {
  faults.push(fault);
  return value;
};

const paramsReader = ({ places }: Glimpse): Reader<Task['params']> => {
  const name = {
    expected: 'a name of letters, digits and _, its first a small letter',
    pattern: PARAM_NAME,
  };
  const rules = record(name, paramRule);
  return (value, path, faults) => {
    const unused = Object.keys(mappingOf(value)).filter((each) => !places.has(each));
    for (const each of unused) {
      const expected = `a param that a resource has a place for: {${each}}`;
      faults.push({ path: `${path}.${each}`, expected, got: 'no such place' });
    }
    if (Object.keys(mappingOf(value)).length > MAX_PARAMS) {
      return refuse(faults, { path, expected: `at most ${MAX_PARAMS} params`, value });
    }
    return rules(value, path, faults);
  };
};

const flag: Reader<boolean> = converted('true or false', (text) =>
  text === 'true' ? true : text === 'false' ? false : undefined,
);

const defaultReader = ({ params }: Glimpse): Reader<boolean> =>
  checked(flag, (value) =>
    value && params.size > 0 ? 'false: nobody would bind the params of a default task' : undefined,
  );

const purpose = string({
  expected: `text of at most ${MAX_PURPOSE_LENGTH} characters`,
  pattern: /\S/,
  maxLength: MAX_PURPOSE_LENGTH,
});

const deliveryReader: Reader<'vend'> = (value, path, faults) => {
  if (value === 'vend') return value;
  const expected = value === 'sign' ? 'vend: sign is not offered yet' : 'vend';
  return refuse(faults, { path, expected, value });
};

const containersReader = ({ containers, addressable }: PodConsumers): Reader<readonly string[]> => {
  const known = [...containers, ...addressable];
  const expected = `one of the pod's containers: ${known.join(', ')}`;
  const name = string({ expected });
  const names = list(
    checked(name, (each) => (known.includes(each) ? undefined : expected)),
    { min: 1 },
  );
  const distinct = checked(names, (all) => (hasRepeated(all) ? 'each container once' : undefined));
  return (value, path, faults) => {
    if (value !== undefined) return distinct(value, path, faults);
    return containers.length > 0 ? containers : refuse(faults, { path, expected, value });
  };
};

const hasRepeated = (names: readonly string[]): boolean => new Set(names).size < names.length;
