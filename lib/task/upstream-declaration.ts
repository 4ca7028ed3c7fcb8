import {
  HTTP_CLIENTS,
  type Budget,
  type Delegated,
  type HttpClient,
  type Task,
} from '../contract/task.ts';
import type { TaskProtocol } from '../contract/upstream.ts';
import type { FieldError } from '../schema/field-error.ts';
import {
  dnsLabel,
  object,
  refine,
  rejectValue,
  string,
  stringEnum,
  type Reader,
} from '../schema/reader.ts';
import type { Prescan } from './prescan.ts';
import type { UpstreamProvider } from './upstream-actions.ts';
import { createUpstreamAllowReader } from './upstream-statements.ts';

/** The clients that speak each protocol. */
const PROTOCOL_CLIENTS: Readonly<Record<TaskProtocol, readonly HttpClient[]>> = {
  http: HTTP_CLIENTS.filter((client) => client !== 'git'),
  git: ['git'],
  mcp: [],
  postgres: [],
};

/** `<Upstream>/<template role>` of a task of provider `postgres`. */
export type DatabaseRole = { readonly upstream: string; readonly template: string };

const DATABASE_ROLE = /^([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)\/([a-z_][a-z0-9_]{0,62})$/;

/** Reads the form of a role of provider `postgres`. */
export const databaseRole: Reader<string> = string({
  expected: '<upstream>/<template role>, such as orders/reader',
  pattern: DATABASE_ROLE,
});

/** @throws Error when the role was not read by {@link databaseRole} */
export const parseDatabaseRole = (role: string): DatabaseRole => {
  const [, upstream, template] = DATABASE_ROLE.exec(role) ?? [];
  if (upstream === undefined || template === undefined) {
    throw new Error(`role: expected <upstream>/<template role>, got ${role}`);
  }
  return { upstream, template };
};

const ROLES: Readonly<Record<UpstreamProvider, Reader<string>>> = {
  http: dnsLabel,
  postgres: databaseRole,
};

/** The client of a task must speak its protocol. */
const createClientReader =
  (protocol: TaskProtocol): Reader<HttpClient> =>
  (value, path, faults) => {
    const clients = PROTOCOL_CLIENTS[protocol];
    const known = clients.find((client) => client === value);
    if (known !== undefined) return known;
    const expected =
      clients.length === 0
        ? `no client: protocol ${protocol} has none`
        : `one of ${clients.join(', ')} for actions of protocol ${protocol}`;
    return rejectValue(faults, { path, expected, value });
  };

/** Readers of the members that every task has, whatever its provider. */
type SharedReaders = {
  readonly params: { reader: Reader<Task['params']>; otherwise: Task['params'] };
  readonly lifetime: Reader<number>;
  readonly purpose: { optional: Reader<string> };
  readonly budget: { optional: Reader<Budget> };
  readonly containers: Reader<readonly string[]>;
  readonly default: { reader: Reader<boolean>; otherwise: boolean };
  readonly exclusive: { reader: Reader<boolean>; otherwise: boolean };
  readonly delegated: { reader: Reader<Delegated | 'refused'>; otherwise: 'refused' };
  readonly canary: { reader: Reader<boolean>; otherwise: boolean };
};

/** Rejects a canary that no agent could start by itself. */
export const rejectDelegatedCanary = (faults: FieldError[]): ReturnType<typeof rejectValue> => {
  const expected =
    'allowed or refused for a canary, which an agent has to be able to start by itself';
  return rejectValue(faults, { path: 'delegated', expected, value: 'required' });
};

type UpstreamDeclarationContext = {
  readonly provider: UpstreamProvider;
  readonly prescan: Pick<Prescan, 'role' | 'params' | 'protocol'>;
  readonly shared: SharedReaders;
};

/**
 * Reads one declaration of a provider whose tasks name an Upstream. Whether its Upstream exists, and has
 * these resources, is not checked here: Upstreams change while a pod runs, so that the authority checks
 * them at each run too.
 */
export const createUpstreamDeclarationReader = (
  name: string,
  { provider, prescan, shared }: UpstreamDeclarationContext,
): Reader<Task> => {
  const { params, role } = prescan;
  const protocol = prescan.protocol ?? provider;
  const [upstream = ''] = role.split('/', 1);
  const readMembers = object({
    provider: stringEnum([provider]),
    role: ROLES[provider],
    allow: createUpstreamAllowReader({ protocol, upstream, params }),
    ...shared,
    delivery: { reader: stringEnum(['sign']), otherwise: 'sign' as const },
    client: { optional: createClientReader(protocol) },
    default: {
      reader: refine(shared.default.reader, (isDefault) =>
        isDefault ? 'false: only a task of provider aws has credentials to serve' : undefined,
      ),
      otherwise: false,
    },
  });
  return (given, path, faults) => {
    const members = readMembers(given, path, faults);
    if (typeof members === 'symbol') return members;
    const { lifetime, allow, params: rules, canary, delegated, ...rest } = members;
    if (canary && rest.client !== undefined) {
      const expected = 'no client for a canary: its programs would start it by themselves';
      return rejectValue(faults, { path: 'client', expected, value: rest.client });
    }
    if (canary && delegated === 'required') return rejectDelegatedCanary(faults);
    const task = { name, ...rest, allow, params: rules, lifetimeSeconds: lifetime };
    return { ...task, ...(canary && { canary }), ...(delegated !== 'refused' && { delegated }) };
  };
};
