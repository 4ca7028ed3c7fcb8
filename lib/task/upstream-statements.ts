import { MAX_PAIRS, type TaskStatement } from '../contract/task.ts';
import type { TaskProtocol } from '../contract/upstream.ts';
import { formatValue, type FieldError } from '../schema/field-error.ts';
import { list, object, refine, rejectValue, type Reader } from '../schema/reader.ts';
import { readPlaceholders } from './resource.ts';
import { PROTOCOL_ACTIONS, readActionProtocol } from './upstream-actions.ts';
import { createUpstreamResourceReader } from './upstream-resources.ts';

const MAX_STATEMENTS = 32;
const MAX_LISTED = 256;

/** What is known of a declaration before its statements are read. */
export type UpstreamStatementContext = {
  /** Of the first action; every other action must be of it too. */
  readonly protocol: TaskProtocol;
  /** Name of the Upstream, as `role` gives it. */
  readonly upstream: string;
  /** Names of the declared params. */
  readonly params: ReadonlySet<string>;
};

const createActionReader = (protocol: TaskProtocol): Reader<string> => {
  const actions = PROTOCOL_ACTIONS[protocol];
  const listed = `one of ${actions.join(', ')}`;
  return (value, path, faults) => {
    const known = actions.find((action) => action === value);
    if (known !== undefined) return known;
    const named = readActionProtocol(value) ?? protocol;
    const rule = named === protocol ? '' : ': all actions of a task are of one protocol';
    return rejectValue(faults, { path, expected: `${listed}${rule}`, value });
  };
};

/** Resources of `http` are URLs; the others name their Upstream. */
const checkUpstream = (
  resource: string,
  { protocol, upstream }: UpstreamStatementContext,
): string | undefined =>
  protocol === 'http' || resource.startsWith(`${protocol}://${upstream}/`)
    ? undefined
    : `a resource of the task's upstream: ${protocol}://${upstream}/…`;

const createResourceReader = (context: UpstreamStatementContext): Reader<string> =>
  refine(createUpstreamResourceReader(context.protocol), (text) => {
    const unknown = readPlaceholders(text).find((name) => !context.params.has(name));
    return unknown === undefined
      ? checkUpstream(text, context)
      : `a resource whose {params} are declared; ${unknown} is not`;
  });

/** A fetch transfers all refs of a repository, so that the gateway cannot limit it to some. */
const FETCH = 'git:fetch';

/** @returns what was expected of a pair, or undefined */
const checkPair = (action: string, resource: string): string | undefined => {
  if (action === FETCH && resource.includes('#')) {
    return `a repository without a ref, as ${FETCH} transfers all refs: give ${FETCH} a statement of its own`;
  }
  const [, kind] = /^mcp:(tools|resources|prompts)\//.exec(action) ?? [];
  const [, named] = /^mcp:\/\/[^/]+\/([a-z]+)\//.exec(resource) ?? [];
  return kind === named ? undefined : `…/${kind}/<name>, as ${action} needs`;
};

/** A pair that no call could match is an error of its resource. */
const checkPairs = ({ actions, resources }: TaskStatement, path: string): readonly FieldError[] =>
  resources.flatMap((resource, index) =>
    actions.flatMap((action) => {
      const expected = checkPair(action, resource);
      return expected === undefined
        ? []
        : [{ path: `${path}.resources[${index}]`, expected, got: formatValue(resource) }];
    }),
  );

const createStatementReader = (context: UpstreamStatementContext): Reader<TaskStatement> => {
  const members = object({
    actions: list(createActionReader(context.protocol), { min: 1, max: MAX_LISTED }),
    resources: list(createResourceReader(context), { min: 1, max: MAX_LISTED }),
  });
  return (given, path, faults) => {
    const read = members(given, path, faults);
    if (typeof read === 'symbol') return read;
    const statement = {
      actions: [...new Set(read.actions)],
      resources: [...new Set(read.resources)],
    };
    faults.push(...checkPairs(statement, path));
    return statement;
  };
};

/** Reads `allow` of a task of an Upstream: every action with every resource of a statement is a pair. */
export const createUpstreamAllowReader = (
  context: UpstreamStatementContext,
): Reader<readonly TaskStatement[]> => {
  const statements = list(createStatementReader(context), { min: 1, max: MAX_STATEMENTS });
  return (given, path, faults) => {
    const read = statements(given, path, faults);
    if (typeof read === 'symbol') return read;
    const pairs = read.reduce((sum, each) => sum + each.actions.length * each.resources.length, 0);
    if (pairs <= MAX_PAIRS) return read;
    const expected = `at most ${MAX_PAIRS} pairs of an action and a resource`;
    return rejectValue(faults, { path, expected, value: pairs });
  };
};
