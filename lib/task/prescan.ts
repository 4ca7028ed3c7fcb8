import { toMapping } from '../schema/mapping.ts';
import { readService } from './action.ts';
import { readPlaceholders } from './resource.ts';

/** What is known of a declaration before it is read. Invalid parts are ignored. */
export type Prescan = {
  readonly provider: string;
  readonly role: string;
  /** Absent: the platform's default applies, or it is not text. */
  readonly delivery?: string;
  /** Names of the params that it declares. */
  readonly params: ReadonlySet<string>;
  /** Names of the params that its resources use. */
  readonly placeholders: ReadonlySet<string>;
};

/** Scans a parsed declaration. */
export const prescanDeclaration = (value: unknown): Prescan => {
  const [role, delivery] = [getMember(value, 'role'), getMember(value, 'delivery')];
  return {
    provider: prescanProvider(value),
    role: typeof role === 'string' ? role : '',
    ...(typeof delivery === 'string' && { delivery }),
    params: new Set(Object.keys(toMapping(getMember(value, 'params')))),
    placeholders: new Set(
      listStatements(value).flatMap((each) =>
        toElements(getMember(each, 'resources')).flatMap((resource) =>
          typeof resource === 'string' ? readPlaceholders(resource) : [],
        ),
      ),
    ),
  };
};

/** The provider that a declaration names; `aws` if it names none. */
const prescanProvider = (value: unknown): string => {
  const provider = getMember(value, 'provider');
  return typeof provider === 'string' ? provider : 'aws';
};

/** Lists the services of a declaration's actions, which the catalog has; invalid actions are ignored. */
export const prescanServices = (value: unknown): readonly string[] =>
  (prescanProvider(value) === 'http' ? [] : listStatements(value)).flatMap((each) =>
    toElements(getMember(each, 'actions')).flatMap((action) => readService(action) ?? []),
  );

const listStatements = (value: unknown): readonly unknown[] =>
  toElements(getMember(value, 'allow'));

const toElements = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

const getMember = (value: unknown, name: string): unknown => toMapping(value)[name];
