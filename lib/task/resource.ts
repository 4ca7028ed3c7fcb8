import type { TaskLimits } from '../contract/platform.ts';
import { refine, string, type Reader } from '../schema/reader.ts';

/** A place in a resource where a param's value goes: `{customer}`. */
const PLACEHOLDER = /\{([a-z][A-Za-z0-9_]{0,31})\}/g;
export const PARAM_NAME = /^[a-z][A-Za-z0-9_]{0,31}$/;

const MAX_RESOURCE_LENGTH = 1600;
const ARN = /^arn:[a-z][a-z0-9-]*:[a-z][a-z0-9-]*:([a-z0-9*?-]*):([a-z0-9*?]*):([\x20-\x7e]+)$/;

/** The form alone: `*`, or an ARN whose partition and service are written out. */
export const resourcePattern: Reader<string> = string({
  expected: 'an ARN such as arn:aws:s3:::bucket/prefix/*, its partition and service written out',
  pattern: new RegExp(`^\\*$|${ARN.source}`),
  maxLength: MAX_RESOURCE_LENGTH,
});

type ResourceContext = { readonly limits: TaskLimits; readonly params: ReadonlySet<string> };

/** A resource as the platform's limits and the task's declared params allow it. */
export const createResourceReader = (context: ResourceContext): Reader<string> =>
  refine(resourcePattern, (resource) =>
    resource === '*' ? undefined : checkResource(resource, context),
  );

const checkResource = (
  resource: string,
  { limits, params }: ResourceContext,
): string | undefined => {
  const [, region = '', account = '', part = ''] = ARN.exec(resource) ?? [];
  if (resource.includes('${')) return 'an ARN without policy variables ${…}';
  if (!limits.regionWildcards && hasWildcard(region))
    return 'an ARN without wildcards in its region';
  if (!limits.accountWildcards && hasWildcard(account))
    return 'an ARN without wildcards in its account';
  const undeclaredParam = readPlaceholders(part).find((name) => !params.has(name));
  if (undeclaredParam !== undefined)
    return `an ARN whose {params} are declared; ${undeclaredParam} is not`;
  if (/[{}]/.test(part.replace(PLACEHOLDER, ''))) return 'an ARN whose braces only hold a {param}';
  return /[A-Za-z0-9{]/.test(part) ? undefined : 'an ARN whose resource is more than wildcards';
};

const hasWildcard = (part: string): boolean => /[*?]/.test(part);

/** Names of the params that a resource has places for. */
export const readPlaceholders = (resource: string): readonly string[] =>
  Array.from(resource.matchAll(PLACEHOLDER), ([, name]) => name ?? '');

/** The resource for any value of its params. */
export const widenPlaceholders = (resource: string): string => resource.replace(PLACEHOLDER, '*');

/**
 * Puts bound values where their braces stand; a value is never read again, so braces in it would
 * stay braces.
 *
 * @param params checked by `bindParams`
 * @throws when a param has no value: what is bound was not checked
 */
export const bindResource = (resource: string, params: Readonly<Record<string, string>>): string =>
  resource.replace(PLACEHOLDER, (_place, name: string) => {
    const value = Object.hasOwn(params, name) ? params[name] : undefined;
    if (value === undefined) throw new Error(`param ${name} of ${resource} has no value`);
    return value;
  });
