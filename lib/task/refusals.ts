import type { CloudAction } from '../catalogue/catalogue.ts';
import type { TaskLimits } from '../contract/platform.ts';
import { show, type Fault } from '../reading/fault.ts';
import type { Plan } from './plan.ts';

/** Each resource that no action of its statement takes, and each `*` that is not needed. */
export const judgeResources = (
  { concrete, resources }: Plan,
  { wildcardOnlyActions }: TaskLimits,
  path: string,
): readonly Fault[] =>
  resources.flatMap(({ resource, meets }, index) => {
    const expected =
      resource === '*' ? judgeEverything(concrete, wildcardOnlyActions) : judgeArn(concrete, meets);
    return expected === undefined
      ? []
      : [{ path: `${path}.resources[${index}]`, expected, got: show(resource) }];
  });

/** The session policy pairs each action with each resource: one that can be narrowed spoils `*`. */
const judgeEverything = (
  actions: readonly CloudAction[],
  isAllowed: boolean,
): string | undefined => {
  const narrow = actions.find(({ isWildcardOnly }) => !isWildcardOnly);
  if (narrow !== undefined)
    return `an ARN, since ${narrow.name} can be narrowed: ${kinds([narrow])}`;
  return isAllowed
    ? undefined
    : 'an ARN: the platform allows no action that only takes the resource *';
};

const judgeArn = (
  actions: readonly CloudAction[],
  meets: (action: CloudAction) => boolean,
): string | undefined =>
  actions.some(meets) ? undefined : `a resource that one of its actions takes: ${kinds(actions)}`;

/** A resource of the wrong kind is one fault, not one for each action that it disappoints. */
export const judgeActions = (
  { declared, concrete, resources }: Plan,
  path: string,
): readonly Fault[] => {
  const isNarrow = resources.every(({ resource }) => resource !== '*');
  const met = new Set(concrete.filter((action) => resources.some(({ meets }) => meets(action))));
  const isHopeless = concrete.every(({ isWildcardOnly }) => isWildcardOnly);
  return declared.flatMap(({ name, named }, index) => {
    if (!isNarrow || named.some((action) => met.has(action))) return [];
    const blamesResources = isHopeless || named.some(({ isWildcardOnly }) => !isWildcardOnly);
    if (met.size === 0 && blamesResources) return [];
    const expected = `an action that takes one of its resources; ${name} takes ${kinds(named)}`;
    return [{ path: `${path}.actions[${index}]`, expected, got: show(name) }];
  });
};

/**
 * A short form such as `s3:Get*` may cover a minting action that its resources keep out of reach; one
 * that no resource narrows is never out of reach.
 */
export const judgeMinting = (
  { declared, resources }: Plan,
  allowed: ReadonlySet<string>,
  path: string,
): readonly Fault[] =>
  declared.flatMap(({ name, named }, index) => {
    const reaches = (action: CloudAction): boolean =>
      !name.includes('*') || action.isWildcardOnly || resources.some(({ meets }) => meets(action));
    const minting = named.find(
      (action) => action.isMinting && !allowed.has(action.name.toLowerCase()) && reaches(action),
    );
    if (minting === undefined) return [];
    const expected = `an action other than ${minting.name}, which mints longer-lived credentials and is not listed for this role`;
    return [{ path: `${path}.actions[${index}]`, expected, got: show(name) }];
  });

const MAX_KINDS = 3;

/** The ARNs that these actions take, for a message: the nearest right ones. */
const kinds = (actions: readonly CloudAction[]): string => {
  const texts = [...new Set(actions.flatMap(({ resources }) => resources.map(({ text }) => text)))];
  if (texts.length === 0) return 'only the resource *, in a statement of its own';
  const rest = texts.length > MAX_KINDS ? ` and ${texts.length - MAX_KINDS} others` : '';
  return `${texts.slice(0, MAX_KINDS).join(', ')}${rest}`;
};
