import { HTTP_CLIENTS, MAX_PAIRS, type Task, type TaskStatement } from '../contract/task.ts';
import { HTTP_METHODS } from '../contract/upstream.ts';
import {
  list,
  object,
  refine,
  rejectValue,
  stringEnum,
  value,
  dnsLabel,
  type Reader,
} from '../schema/reader.ts';
import { readPlaceholders } from './resource.ts';

const ACTIONS: readonly string[] = HTTP_METHODS.map((method) => `http:${method}`);

/** Reads `http:<METHOD>`. */
export const httpAction: Reader<string> = stringEnum(ACTIONS);

const MAX_RESOURCE_LENGTH = 1600;
/** Scheme and host; the path with percent-encoded characters, `*` and `{param}`. No query, no fragment. */
const RESOURCE = /^(https?:\/\/[a-z0-9.:[\]-]+)(\/.*)$/;
const PATH = /^(?:[\w.~!$&'()*+,=:@/-]|%[0-9A-F]{2}|\{[a-z][A-Za-z0-9_]{0,31}\})+$/;

const isOrigin = (text: string): boolean => {
  const url = URL.parse(text);
  return url !== null && url.origin === text;
};

const isPath = (path: string): boolean =>
  PATH.test(path) && !path.includes('//') && !/\/\.{1,2}(?:\/|$)/.test(path);

/** Reads the form of a resource of provider `http`; that it is the Upstream's is checked with it. */
export const httpResource: Reader<string> = value(
  'a URL such as https://api.example.com/v1/items/{item}, in normal form and without a query',
  (text): text is string => {
    if (typeof text !== 'string' || text.length > MAX_RESOURCE_LENGTH) return false;
    const [, origin = '', path = ''] = RESOURCE.exec(text) ?? [];
    return isOrigin(origin) && isPath(path);
  },
);

const MAX_STATEMENTS = 32;
const MAX_LISTED = 256;

/** Reads `allow` of a task of provider `http`: every action with every resource of a statement is a pair. */
const createAllowReader = (params: ReadonlySet<string>): Reader<readonly TaskStatement[]> => {
  const resource = refine(httpResource, (text) => {
    const unknown = readPlaceholders(text).find((name) => !params.has(name));
    return unknown === undefined
      ? undefined
      : `a URL whose {params} are declared; ${unknown} is not`;
  });
  const statements = list(
    object({
      actions: list(httpAction, { min: 1, max: MAX_LISTED }),
      resources: list(resource, { min: 1, max: MAX_LISTED }),
    }),
    { min: 1, max: MAX_STATEMENTS },
  );
  return (given, path, faults) => {
    const read = statements(given, path, faults);
    if (typeof read === 'symbol') return read;
    const distinct = read.map(({ actions, resources }) => ({
      actions: [...new Set(actions)],
      resources: [...new Set(resources)],
    }));
    const pairs = distinct.reduce(
      (sum, each) => sum + each.actions.length * each.resources.length,
      0,
    );
    if (pairs <= MAX_PAIRS) return distinct;
    const expected = `at most ${MAX_PAIRS} pairs of an action and a resource`;
    return rejectValue(faults, { path, expected, value: pairs });
  };
};

/** Readers of the members that every task has, whatever its provider. */
type SharedReaders = {
  readonly params: { reader: Reader<Task['params']>; otherwise: Task['params'] };
  readonly lifetime: Reader<number>;
  readonly purpose: { optional: Reader<string> };
  readonly containers: Reader<readonly string[]>;
  readonly default: { reader: Reader<boolean>; otherwise: boolean };
  readonly exclusive: { reader: Reader<boolean>; otherwise: boolean };
};

/**
 * Reads one declaration of provider `http`. Whether its Upstream exists, and has these resources, is not
 * checked here: Upstreams change while a pod runs, so that the authority checks them at each run too.
 */
export const createHttpDeclarationReader =
  (
    name: string,
    { params, shared }: { params: ReadonlySet<string>; shared: SharedReaders },
  ): Reader<Task> =>
  (given, path, faults) => {
    const members = object({
      provider: stringEnum(['http']),
      role: dnsLabel,
      allow: createAllowReader(params),
      ...shared,
      delivery: { reader: stringEnum(['sign']), otherwise: 'sign' as const },
      client: { optional: stringEnum(HTTP_CLIENTS) },
      default: {
        reader: refine(shared.default.reader, (isDefault) =>
          isDefault ? 'false: only a task of provider aws has credentials to serve' : undefined,
        ),
        otherwise: false,
      },
    })(given, path, faults);
    if (typeof members === 'symbol') return members;
    const { lifetime, provider, role, allow, params: rules, ...rest } = members;
    return { name, provider, role, allow, params: rules, lifetimeSeconds: lifetime, ...rest };
  };
