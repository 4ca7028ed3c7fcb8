import type { TaskStatement } from '../contract/task.ts';
import { readPlaceholders } from './resource.ts';
import { readResourceProtocol } from './upstream-resources.ts';

/** A part of a resource of an Upstream in which a placeholder can be. */
type Place = 'path' | 'repository' | 'ref' | 'name' | 'database';

/**
 * What a value may be in each place, so that it stays within it: `/` would lead to another segment, `#` from
 * a repository to its refs. In a ref, `/` only continues the name.
 */
const PLACES: Readonly<Record<Place, { readonly pattern: RegExp; readonly expected: string }>> = {
  path: {
    pattern: /^(?:[\w.~!&'()+,=:@-]|%[0-9A-F]{2})+$/,
    expected: 'one segment of a path: letters, digits, - . _ ~ and percent-encoded characters',
  },
  repository: { pattern: /^[\w.~-]+$/, expected: 'one name: letters, digits, - . _ ~' },
  ref: {
    pattern: /^[\w.!%&'()+,;<=>@#|/-]+$/,
    expected: 'a part of a ref: visible ASCII without ~ ^ : [',
  },
  name: {
    pattern: /^(?:[\w.~:@!&'()+,;=-]|%[0-9A-F]{2})+$/,
    expected: 'a part of a name without /: letters, digits, - . _ ~ and percent-encoded characters',
  },
  database: { pattern: /^[\w.-]+$/, expected: 'a name: letters, digits, - . _' },
};

const DOT_SEGMENT = /^\.{1,2}$/;

/** The parts of a resource, with the place that each is. */
const splitPlaces = (resource: string): readonly (readonly [Place, string])[] => {
  switch (readResourceProtocol(resource)) {
    case 'git': {
      const mark = resource.indexOf('#');
      return mark < 0
        ? [['repository', resource]]
        : [
            ['repository', resource.slice(0, mark)],
            ['ref', resource.slice(mark + 1)],
          ];
    }
    case 'mcp':
      return [['name', resource]];
    case 'postgres':
      return [['database', resource]];
    case 'http':
      return [['path', resource]];
  }
};

/** ARNs and `*`: the cloud compares them as texts. */
const isOfUpstream = (resource: string): boolean => resource.includes('://');

const listPlaces = (allow: readonly TaskStatement[], param: string): ReadonlySet<Place> =>
  new Set(
    allow
      .flatMap(({ resources }) => resources)
      .filter(isOfUpstream)
      .flatMap(splitPlaces)
      .flatMap(([place, part]) => (readPlaceholders(part).includes(param) ? [place] : [])),
  );

/**
 * Checks the value of a param for each place in which the resources of its task have it.
 *
 * @returns what was expected, or undefined
 */
export const checkParamPlaces = (
  allow: readonly TaskStatement[],
  { param, value }: { readonly param: string; readonly value: string },
): string | undefined => {
  const places = [...listPlaces(allow, param)];
  if (places.some((place) => place !== 'ref') && DOT_SEGMENT.test(value)) {
    return 'another value than a dot segment';
  }
  const broken = places.find((place) => !PLACES[place].pattern.test(value));
  return broken && PLACES[broken].expected;
};
