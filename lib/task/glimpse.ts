import { readService } from './action.ts';
import { readPlaces } from './resource.ts';

/** What can be seen of a declaration before it is read; wrong parts are simply not seen. */
export type Glimpse = {
  readonly role: string;
  /** Names of the params that it declares. */
  readonly params: ReadonlySet<string>;
  /** Names of the params that its resources have places for. */
  readonly places: ReadonlySet<string>;
};

export const glimpseDeclaration = (value: unknown): Glimpse => {
  const role = memberOf(value, 'role');
  return {
    role: typeof role === 'string' ? role : '',
    params: new Set(Object.keys(mappingOf(memberOf(value, 'params')))),
    places: new Set(
      statementsOf(value).flatMap((each) =>
        elementsOf(memberOf(each, 'resources')).flatMap((resource) =>
          typeof resource === 'string' ? readPlaces(resource) : [],
        ),
      ),
    ),
  };
};

/** The services that a declaration names, read or not. */
export const glimpseServices = (value: unknown): readonly string[] =>
  statementsOf(value).flatMap((each) =>
    elementsOf(memberOf(each, 'actions')).flatMap((action) => readService(action) ?? []),
  );

const statementsOf = (value: unknown): readonly unknown[] => elementsOf(memberOf(value, 'allow'));

const elementsOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

const memberOf = (value: unknown, name: string): unknown => mappingOf(value)[name];

/** A mapping, or an empty one in place of anything else. */
export const mappingOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : {};
