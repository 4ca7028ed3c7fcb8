import type { TaskLimits } from '../contract/platform.ts';
import type { TaskStatement } from '../contract/task.ts';
import { parseArn } from '../schema/arn.ts';
import { refine, value, type Reader } from '../schema/reader.ts';

/** Where the value of a param is inserted into a resource: `{customer}`. */
const PLACEHOLDER = /\{([a-z][A-Za-z0-9_]{0,31})\}/g;
export const PARAM_NAME = /^[a-z][A-Za-z0-9_]{0,31}$/;

const MAX_RESOURCE_LENGTH = 1600;

/** Checks the form only: `*`, or an ARN whose partition and service are written out. */
export const resourcePattern: Reader<string> = value(
  'an ARN such as arn:aws:s3:::bucket/prefix/*, its partition and service written out',
  (text): text is string =>
    typeof text === 'string' &&
    text.length <= MAX_RESOURCE_LENGTH &&
    (text === '*' || isResourceArn(text)),
);

const isResourceArn = (text: string): boolean => {
  const arn = parseArn(text);
  return (
    arn !== undefined &&
    /^[a-z0-9*?-]*$/.test(arn.region) &&
    /^[a-z0-9*?]*$/.test(arn.account) &&
    /^[\x20-\x7e]+$/.test(arn.resource)
  );
};

type ResourceContext = { readonly limits: TaskLimits; readonly params: ReadonlySet<string> };

/** Reads a resource that the platform's limits and the task's declared params allow. */
export const createResourceReader = (context: ResourceContext): Reader<string> =>
  refine(resourcePattern, (resource) =>
    resource === '*' ? undefined : checkResource(resource, context),
  );

const checkResource = (text: string, { limits, params }: ResourceContext): string | undefined => {
  const { region = '', account = '', resource = '' } = parseArn(text) ?? {};
  if (text.includes('${')) return 'an ARN without policy variables ${…}';
  if (!limits.regionWildcards && hasWildcard(region))
    return 'an ARN without wildcards in its region';
  if (!limits.accountWildcards && hasWildcard(account))
    return 'an ARN without wildcards in its account';
  const undeclaredParam = readPlaceholders(resource).find((name) => !params.has(name));
  if (undeclaredParam !== undefined)
    return `an ARN whose {params} are declared; ${undeclaredParam} is not`;
  if (/[{}]/.test(resource.replace(PLACEHOLDER, '')))
    return 'an ARN whose braces contain only the name of a param';
  return /[A-Za-z0-9{]/.test(resource)
    ? undefined
    : 'an ARN whose resource consists of more than wildcards';
};

const hasWildcard = (part: string): boolean => /[*?]/.test(part);

/** Names of the params whose values are inserted into a resource. */
export const readPlaceholders = (resource: string): readonly string[] =>
  Array.from(resource.matchAll(PLACEHOLDER), ([, name]) => name ?? '');

/** Replaces each placeholder by a wildcard: the resource for any value of its params. */
export const widenPlaceholders = (resource: string): string => resource.replace(PLACEHOLDER, '*');

/**
 * Inserts the values of params into a resource. Inserted values are not scanned for placeholders.
 *
 * @param params checked by `bindParams`
 * @throws Error when a param has no value: the params were not checked
 */
export const bindResource = (resource: string, params: Readonly<Record<string, string>>): string =>
  resource.replace(PLACEHOLDER, (_placeholder, name: string) => {
    const value = Object.hasOwn(params, name) ? params[name] : undefined;
    if (value === undefined) throw new Error(`param ${name} of ${resource} has no value`);
    return value;
  });

/** Inserts the values of params into every resource of a scope. @throws as {@link bindResource} */
export const bindStatements = (
  allow: readonly TaskStatement[],
  params: Readonly<Record<string, string>>,
): readonly TaskStatement[] =>
  allow.map(({ actions, resources }) => ({
    actions,
    resources: resources.map((resource) => bindResource(resource, params)),
  }));
