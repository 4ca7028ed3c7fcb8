import { toMapping } from '../schema/mapping.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { CloudSettings, TaskLimits } from '../contract/platform.ts';
import {
  DELEGATED,
  DELIVERIES,
  MAX_PAIRS,
  MAX_PURPOSE_LENGTH,
  PROVIDERS,
  type Delegated,
  type Delivery,
  type Task,
  type TaskStatement,
} from '../contract/task.ts';
import type { FieldError } from '../schema/field-error.ts';
import {
  refine,
  list,
  object,
  stringEnum,
  record,
  rejectValue,
  string,
  type Reader,
} from '../schema/reader.ts';
import { createBudgetReader } from './budget.ts';
import { prescanDeclaration, prescanServices, type Prescan } from './prescan.ts';
import { createLifetimeReader } from './lifetime.ts';
import { paramRule } from './params.ts';
import { countPairs, groupPairs } from './statement-plan.ts';
import { PARAM_NAME } from './resource.ts';
import { createRoleReader } from './role.ts';
import { createStatementReader } from './statement.ts';
import { convertText } from './hidden-characters.ts';
import { isUpstreamProvider } from './upstream-actions.ts';
import { createUpstreamDeclarationReader, rejectDelegatedCanary } from './upstream-declaration.ts';

/** The containers of a pod that tasks may name. */
export type PodConsumers = {
  /** Ordinary containers: the consumers of a task that names none. */
  readonly containers: readonly string[];
  /** Init containers, native sidecars and ignored containers: consumers only if a task names them. */
  readonly addressable: readonly string[];
};

/** What declarations are checked against of the platform's cloud. */
export type DeclarationCloud = Pick<CloudSettings, 'dialect' | 'endpoints'>;

/** What a declaration is checked against. */
export type DeclarationContext = {
  readonly consumers: PodConsumers;
  readonly limits: TaskLimits;
  readonly cloud: DeclarationCloud;
  readonly catalog: Catalog;
};

const MAX_PARAMS = 16;
/** More than fit into a session policy. */
const MAX_STATEMENTS = 32;

/**
 * Reads one declaration as a task. What its members need to know of each other is scanned first, so that
 * an error in one member hides no error in another.
 */
export const createDeclarationReader = (
  name: string,
  context: DeclarationContext,
): Reader<Task> => {
  const { limits, cloud } = context;
  return (value, path, faults) => {
    const prescan = prescanDeclaration(value);
    const shared = {
      params: { reader: createParamsReader(prescan), otherwise: {} },
      lifetime: createLifetimeReader(limits),
      purpose: { optional: purpose },
      containers: createContainersReader(context.consumers),
      default: { reader: createDefaultReader(prescan), otherwise: false },
      exclusive: { reader: flag, otherwise: false },
      canary: { reader: flag, otherwise: false },
      budget: { optional: createBudgetReader(prescan.provider) },
      delegated: { reader: createDelegatedReader(value), otherwise: REFUSED },
    };
    if (isUpstreamProvider(prescan.provider)) {
      const upstreamContext = { provider: prescan.provider, prescan, shared };
      return createUpstreamDeclarationReader(name, upstreamContext)(value, path, faults);
    }
    const members = object({
      provider: { reader: awsProvider, otherwise: 'aws' as const },
      role: createRoleReader(limits, cloud.dialect),
      allow: createAllowReader(prescan, context),
      params: shared.params,
      lifetime: shared.lifetime,
      purpose: shared.purpose,
      delivery: { reader: stringEnum(DELIVERIES), otherwise: limits.delivery },
      budget: shared.budget,
      containers: shared.containers,
      default: shared.default,
      exclusive: shared.exclusive,
      canary: shared.canary,
      delegated: shared.delegated,
    })(value, path, faults);
    faults.push(...checkEndpoints(value, prescan, context));
    if (typeof members === 'symbol') return members;
    const { provider, role, allow, params, lifetime, canary, delegated, ...rest } = members;
    if (canary && rest.default) {
      const expected = 'false for a default task, which every SDK starts by itself';
      return rejectValue(faults, { path: 'canary', expected, value: true });
    }
    if (canary && delegated === 'required') return rejectDelegatedCanary(faults);
    const task = { name, provider, role, allow, params, lifetimeSeconds: lifetime, ...rest };
    return { ...task, ...(canary && { canary }), ...(delegated !== REFUSED && { delegated }) };
  };
};

/** A task that refuses has no such member. */
const REFUSED = 'refused' as const;

const createDelegatedReader = (declaration: unknown): Reader<Delegated | typeof REFUSED> =>
  refine(stringEnum([REFUSED, ...DELEGATED]), (value) =>
    value === 'required' && toMapping(declaration)['default'] === 'true'
      ? 'allowed or refused: a default task is started without a delegation'
      : undefined,
  );

/** Every other value; an error names both. */
const awsProvider: Reader<'aws'> = (value, path, faults) =>
  value === 'aws'
    ? 'aws'
    : rejectValue(faults, { path, expected: `one of ${PROVIDERS.join(', ')}`, value });

/** Reads `allow` and brings it to normal form: concrete actions, and only the pairs that policy evaluates. */
const createAllowReader = (
  prescan: Prescan,
  { limits, catalog, cloud: { dialect } }: DeclarationContext,
): Reader<readonly TaskStatement[]> => {
  const { role, params } = prescan;
  const delivery = getDelivery(prescan, limits);
  const listed = Object.hasOwn(limits.mintingActions, role) ? limits.mintingActions[role] : [];
  const mintingActions = new Set(listed?.map((action) => action.toLowerCase()));
  const reader = createStatementReader({
    limits,
    catalog,
    dialect,
    delivery,
    params,
    mintingActions,
  });
  const statements = list(reader, { min: 1, max: MAX_STATEMENTS });
  return (value, path, faults) => {
    const plans = statements(value, path, faults);
    if (typeof plans === 'symbol') return plans;
    const pairs = plans.reduce((sum, plan) => sum + countPairs(plan), 0);
    if (pairs <= MAX_PAIRS) return plans.flatMap(groupPairs);
    const expected = `at most ${MAX_PAIRS} pairs of a concrete action and a resource`;
    return rejectValue(faults, { path, expected, value: pairs });
  };
};

/** An unknown delivery is an error of its own. */
const getDelivery = ({ delivery }: Prescan, limits: TaskLimits): Delivery =>
  delivery === undefined
    ? limits.delivery
    : (DELIVERIES.find((each) => each === delivery) ?? 'vend');

/** A private cloud has no hosts that the gateway could know. Its services are signed for under the names of their actions. */
const checkEndpoints = (
  value: unknown,
  prescan: Prescan,
  { limits, cloud, catalog }: DeclarationContext,
): readonly FieldError[] => {
  if (cloud.dialect === 'aws' || getDelivery(prescan, limits) === 'vend') return [];
  const known = new Set((cloud.endpoints ?? []).map(({ service }) => service));
  const services = [...new Set(prescanServices(value))]
    .filter((service) => catalog.find(`${service}:*`).known && !known.has(service))
    .sort();
  if (services.length === 0) return [];
  const expected = `an entry of the platform's cloud.endpoints for each service of a task with delivery: sign; missing: ${services.join(', ')} (or declare delivery: vend)`;
  const got = known.size === 0 ? 'no entries' : `entries for ${[...known].sort().join(', ')}`;
  return [{ path: 'delivery', expected, got }];
};

const createParamsReader = ({ placeholders }: Prescan): Reader<Task['params']> => {
  const name = {
    expected: 'a name of letters, digits and _ that begins with a lowercase letter',
    pattern: PARAM_NAME,
  };
  const rules = record(string(name), paramRule);
  return (value, path, faults) => {
    const unused = Object.keys(toMapping(value)).filter((each) => !placeholders.has(each));
    for (const each of unused) {
      const expected = `a param that a resource uses as {${each}}`;
      faults.push({ path: `${path}.${each}`, expected, got: 'an unused param' });
    }
    if (Object.keys(toMapping(value)).length > MAX_PARAMS) {
      return rejectValue(faults, { path, expected: `at most ${MAX_PARAMS} params`, value });
    }
    return rules(value, path, faults);
  };
};

const flag: Reader<boolean> = convertText('true or false', (text) =>
  text === 'true' ? true : text === 'false' ? false : undefined,
);

const createDefaultReader = ({ params }: Prescan): Reader<boolean> =>
  refine(flag, (value) =>
    value && params.size > 0 ? 'false: a default task cannot have params' : undefined,
  );

const purpose = string({
  expected: `text of at most ${MAX_PURPOSE_LENGTH} characters`,
  pattern: /\S/,
  maxLength: MAX_PURPOSE_LENGTH,
});

const createContainersReader = ({
  containers,
  addressable,
}: PodConsumers): Reader<readonly string[]> => {
  const known = [...containers, ...addressable];
  const expected =
    known.length === 0
      ? 'a pod with at least one container'
      : `one of the pod's containers: ${known.join(', ')}`;
  const name = string({ expected });
  const names = list(
    refine(name, (each) => (known.includes(each) ? undefined : expected)),
    { min: 1 },
  );
  const distinct = refine(names, (all) => (hasRepeated(all) ? 'each container once' : undefined));
  return (value, path, faults) => {
    if (value !== undefined) return distinct(value, path, faults);
    return containers.length > 0 ? containers : rejectValue(faults, { path, expected, value });
  };
};

const hasRepeated = (names: readonly string[]): boolean => new Set(names).size < names.length;
