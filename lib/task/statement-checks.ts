import type { CloudAction } from '../catalog/catalog.ts';
import { MINTED_TEXT } from '../catalog/minting-actions.ts';
import type { TaskLimits } from '../contract/platform.ts';
import type { Delivery } from '../contract/task.ts';
import { formatValue, type FieldError } from '../schema/field-error.ts';
import type { StatementPlan } from './statement-plan.ts';

/** Finds resources that no action of the statement takes, and each `*` that is not needed. */
export const checkResources = (
  { concrete, resources }: StatementPlan,
  { wildcardOnlyActions }: TaskLimits,
  path: string,
): readonly FieldError[] =>
  resources.flatMap(({ resource, matches }, index) => {
    const expected =
      resource === '*'
        ? checkWildcardResource(concrete, wildcardOnlyActions)
        : checkArn(concrete, matches);
    return expected === undefined
      ? []
      : [{ path: `${path}.resources[${index}]`, expected, got: formatValue(resource) }];
  });

/** Each action applies to each resource, so `*` is accepted only if no action can be limited to ARNs. */
const checkWildcardResource = (
  actions: readonly CloudAction[],
  isAllowed: boolean,
): string | undefined => {
  const narrow = actions.find(({ isWildcardOnly }) => !isWildcardOnly);
  if (narrow !== undefined)
    return `an ARN, because ${narrow.name} can be limited to resources: ${formatAcceptedArns([narrow])}`;
  return isAllowed
    ? undefined
    : 'an ARN: the platform does not allow actions that take only the resource *';
};

const checkArn = (
  actions: readonly CloudAction[],
  matches: (action: CloudAction) => boolean,
): string | undefined =>
  actions.some(matches)
    ? undefined
    : `a resource that one of its actions takes: ${formatAcceptedArns(actions)}`;

/** Finds actions that take none of the resources. If no action does, the resources are the error. */
export const checkActions = (
  { declared, concrete, resources }: StatementPlan,
  path: string,
): readonly FieldError[] => {
  const isNarrow = resources.every(({ resource }) => resource !== '*');
  const usable = new Set(
    concrete.filter((action) => resources.some(({ matches }) => matches(action))),
  );
  const isAllWildcardOnly = concrete.every(({ isWildcardOnly }) => isWildcardOnly);
  return declared.flatMap(({ name, named }, index) => {
    if (!isNarrow || named.some((action) => usable.has(action))) return [];
    const blamesResources =
      isAllWildcardOnly || named.some(({ isWildcardOnly }) => !isWildcardOnly);
    if (usable.size === 0 && blamesResources) return [];
    const expected = `an action that takes one of its resources; ${name} takes ${formatAcceptedArns(named)}`;
    return [{ path: `${path}.actions[${index}]`, expected, got: formatValue(name) }];
  });
};

/**
 * Finds minting actions that the platform does not list for the role: what they issue or open outlives
 * the run. A short form such as `s3:Get*` may cover one that makes no pair with a declared resource: the
 * task does not contain it.
 */
export const checkMinting = (
  { declared, resources }: StatementPlan,
  allowed: ReadonlySet<string>,
  path: string,
): readonly FieldError[] =>
  declared.flatMap(({ name, named }, index) => {
    const reaches = (action: CloudAction): boolean =>
      !name.includes('*') ||
      action.isWildcardOnly ||
      resources.some(({ isPair }) => isPair(action));
    const minting = named.find(
      (action) =>
        action.mints !== undefined && !allowed.has(action.name.toLowerCase()) && reaches(action),
    );
    if (minting?.mints === undefined) return [];
    const expected = `an action other than ${minting.name}, which ${MINTED_TEXT[minting.mints]} and is not listed for this role in tasks.mintingActions`;
    return [{ path: `${path}.actions[${index}]`, expected, got: formatValue(name) }];
  });

/** Finds actions of a signed task that no request to the gateway needs, so that none could use them. */
export const checkDelivery = (
  { declared }: StatementPlan,
  delivery: Delivery,
  path: string,
): readonly FieldError[] =>
  delivery === 'vend'
    ? []
    : declared.flatMap(({ name, named }, index) =>
        named.some(({ isVendOnly }) => isVendOnly !== true)
          ? []
          : [
              {
                path: `${path}.actions[${index}]`,
                expected:
                  'an action that a request to the gateway can use; the sidecar can sign none that needs this one: delete it, or declare it in a task with delivery: vend',
                got: formatValue(name),
              },
            ],
      );

const MAX_LISTED_ARNS = 3;

/** Formats the ARNs that these actions take, for a message. */
const formatAcceptedArns = (actions: readonly CloudAction[]): string => {
  const texts = [...new Set(actions.flatMap(({ resources }) => resources.map(({ text }) => text)))];
  if (texts.length === 0) return 'only the resource *, in a statement of its own';
  const rest =
    texts.length > MAX_LISTED_ARNS ? ` and ${texts.length - MAX_LISTED_ARNS} others` : '';
  return `${texts.slice(0, MAX_LISTED_ARNS).join(', ')}${rest}`;
};
