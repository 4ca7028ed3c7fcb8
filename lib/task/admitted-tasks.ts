import { SIDECAR_ENV } from '../contract/environment.ts';
import {
  DELEGATED,
  DELIVERIES,
  HTTP_CLIENTS,
  MAX_ENV_BYTES,
  MAX_PAIRS,
  MAX_TASKS,
  type AdmittedTasks,
  type ParamRule,
  type Provider,
  type Task,
} from '../contract/task.ts';
import { fail, succeed, type FieldError, type Result } from '../schema/field-error.ts';
import {
  boolean,
  dnsLabel,
  refine,
  integer,
  list,
  object,
  stringEnum,
  read,
  record,
  string,
  value,
  type Reader,
} from '../schema/reader.ts';
import { roleArn } from '../schema/arn.ts';
import { toMapping } from '../schema/mapping.ts';
import { concreteAction } from './action.ts';
import { admittedBudget } from './budget.ts';
import { boundedPattern, MAX_PARAM_LENGTH } from './pattern-size.ts';
import { PARAM_NAME, readPlaceholders, resourcePattern } from './resource.ts';
import { PROTOCOL_ACTIONS, PROVIDER_PROTOCOLS, type UpstreamProvider } from './upstream-actions.ts';
import { databaseRole } from './upstream-declaration.ts';
import { createAnyResourceReader } from './upstream-resources.ts';

/**
 * Formats the tasks that admission accepted as the value of the sidecar's environment variable.
 *
 * @returns JSON, or an error if it exceeds the kernel's limit
 */
export const formatAdmittedTasks = (admitted: AdmittedTasks): Result<string> => {
  const text = JSON.stringify(admitted);
  const tooLong = checkSize(text);
  return tooLong === undefined ? succeed(text) : fail([tooLong]);
};

/** Reads the result of {@link formatAdmittedTasks}. Checks only the form of its members. */
export const readAdmittedTasks = (text: string): Result<AdmittedTasks> => {
  const tooLong = checkSize(text);
  if (tooLong !== undefined) return fail([tooLong]);
  const parsed = parseJson(text);
  return parsed.ok ? read(admittedTasks, parsed.value) : parsed;
};

/** The kernel's limit includes the name, the equals sign and the terminator. */
const checkSize = (text: string): FieldError | undefined => {
  const bytes = Buffer.byteLength(`${SIDECAR_ENV.tasks}=${text}`) + 1;
  const expected = `tasks of at most ${MAX_ENV_BYTES} bytes in total`;
  return bytes > MAX_ENV_BYTES ? { path: '(root)', expected, got: `${bytes} bytes` } : undefined;
};

const parseJson = (text: string): Result<unknown> => {
  try {
    return succeed(JSON.parse(text));
  } catch {
    return fail([{ path: '(root)', expected: 'JSON', got: 'other text' }]);
  }
};

const text = string();

const createAllowReader = (action: Reader<string>, resource: Reader<string>) =>
  list(object({ actions: list(action, { min: 1 }), resources: list(resource, { min: 1 }) }), {
    min: 1,
  });

const shared = {
  name: dnsLabel,
  params: record<ParamRule>(
    string({ expected: 'a param name', pattern: PARAM_NAME }),
    object({ pattern: boundedPattern, maxLength: integer({ min: 1, max: MAX_PARAM_LENGTH }) }),
  ),
  lifetimeSeconds: integer({ min: 1, max: 1_000_000 }),
  purpose: { optional: text },
  budget: { optional: admittedBudget },
  containers: list(dnsLabel, { min: 1 }),
  default: boolean,
  exclusive: boolean,
  delegated: { optional: stringEnum(DELEGATED) },
  canary: { optional: value('true', (given): given is true => given === true) },
};

const createUpstreamAllowReader = (provider: UpstreamProvider) => {
  const protocols = PROVIDER_PROTOCOLS[provider];
  const actions = protocols.flatMap((protocol) => PROTOCOL_ACTIONS[protocol]);
  return createAllowReader(stringEnum(actions), createAnyResourceReader(protocols));
};

/** Readers of the scope of an admitted task. */
const ALLOW_READERS: Readonly<Record<Provider, Reader<Task['allow']>>> = {
  aws: createAllowReader(concreteAction, resourcePattern),
  http: createUpstreamAllowReader('http'),
  postgres: createUpstreamAllowReader('postgres'),
};

/** Reads a scope with its params bound. Checks only the form. */
export const createBoundAllowReader = (provider: Provider): Reader<Task['allow']> =>
  refine(ALLOW_READERS[provider], (allow) => {
    const pairs = allow.reduce((sum, each) => sum + each.actions.length * each.resources.length, 0);
    if (pairs > MAX_PAIRS) return `at most ${MAX_PAIRS} pairs of an action and a resource`;
    return allow.some(({ resources }) => resources.some((resource) => /[{}]/.test(resource)))
      ? 'resources without { and }'
      : undefined;
  });

const awsTask: Reader<Task> = object({
  ...shared,
  provider: stringEnum(['aws']),
  role: roleArn,
  allow: ALLOW_READERS.aws,
  delivery: stringEnum(DELIVERIES),
});

const httpTask: Reader<Task> = object({
  ...shared,
  provider: stringEnum(['http']),
  role: dnsLabel,
  allow: ALLOW_READERS.http,
  delivery: stringEnum(['sign']),
  client: { optional: stringEnum(HTTP_CLIENTS) },
});

const postgresTask: Reader<Task> = object({
  ...shared,
  provider: stringEnum(['postgres']),
  role: databaseRole,
  allow: ALLOW_READERS.postgres,
  delivery: stringEnum(['sign']),
});

const TASKS: Readonly<Record<string, Reader<Task>>> = {
  aws: awsTask,
  http: httpTask,
  postgres: postgresTask,
};

const members: Reader<Task> = (given, path, faults) => {
  const { provider } = toMapping(given);
  const known = typeof provider === 'string' && Object.hasOwn(TASKS, provider) ? provider : 'aws';
  return (TASKS[known] ?? awsTask)(given, path, faults);
};

/** Reads one task as admission stores it. Checks only the form of its members. */
export const admittedTask: Reader<Task> = refine(members, ({ allow, params }) => {
  const placeholders = allow.flatMap(({ resources }) => resources.flatMap(readPlaceholders));
  return placeholders.every((name) => Object.hasOwn(params, name))
    ? undefined
    : 'a task whose resources use only its params';
});

const admittedTasks: Reader<AdmittedTasks> = refine(
  object({
    consumers: list(dnsLabel, { min: 1 }),
    tasks: list(admittedTask, { min: 1, max: MAX_TASKS }),
  }),
  ({ consumers, tasks }) => {
    if (hasRepeated(consumers)) return 'each consumer once';
    if (hasRepeated(tasks.map(({ name }) => name))) return 'each task once';
    const unknownConsumers = tasks.flatMap(({ containers }) =>
      containers.filter((each) => !consumers.includes(each)),
    );
    return unknownConsumers.length > 0 ? 'tasks of the listed consumers only' : undefined;
  },
);

const hasRepeated = (names: readonly string[]): boolean => new Set(names).size < names.length;
