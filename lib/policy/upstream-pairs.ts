import { findNearestName } from '../catalog/nearest-name.ts';
import { MAX_PAIRS, type Task } from '../contract/task.ts';
import type { TaskProtocol } from '../contract/upstream.ts';
import { fail, formatValue, succeed, type FieldError, type Result } from '../schema/field-error.ts';
import type { Pair } from '../task/pairs.ts';
import { getTaskProtocol } from '../task/upstream-actions.ts';
import { parseDatabaseRole } from '../task/upstream-declaration.ts';
import type { HttpUpstream, PostgresUpstream, Upstream } from '../upstreams/upstream.ts';
import { getPairLevel, listNamedTools, readToolPattern } from './upstream-levels.ts';

/** The Upstreams of the cluster that could be parsed, by name. */
export type Upstreams = ReadonlyMap<string, Upstream>;

type UpstreamTask = Pick<Task, 'provider' | 'role' | 'allow'>;

/**
 * Finds the Upstream of a task of another provider than `aws`, and checks that the task names nothing
 * outside it. The webhook and the authority both ask: Upstreams change after admission.
 *
 * @returns the Upstream, whose protocol is that of the task's actions, or all errors
 */
export const findTaskUpstream = (task: UpstreamTask, upstreams: Upstreams): Result<Upstream> => {
  const name = readUpstreamName(task);
  const upstream = upstreams.get(name);
  if (upstream === undefined) return fail([buildUnknownError(task, upstreams.keys())]);
  const faults = checkProtocol(task, upstream) ?? checkScope(task, upstream);
  return faults.length > 0 ? fail(faults) : succeed(upstream);
};

/** The name of the Upstream that a task's role names. */
export const readUpstreamName = ({ provider, role }: Omit<UpstreamTask, 'allow'>): string =>
  provider === 'postgres' ? parseDatabaseRole(role).upstream : role;

const buildUnknownError = (task: UpstreamTask, names: Iterable<string>): FieldError => {
  const nearest = findNearestName(readUpstreamName(task), names);
  return {
    path: 'role',
    expected: `the name of an Upstream of this cluster${formatNearest(nearest)}`,
    got: formatValue(task.role),
  };
};

const formatNearest = (nearest: string | undefined): string =>
  nearest === undefined ? '' : `; the nearest is ${nearest}`;

/** The protocol that an Upstream speaks. */
export const getUpstreamProtocol = (upstream: Upstream): TaskProtocol =>
  upstream.kind === 'http' ? upstream.rules.protocol : 'postgres';

/** @returns undefined if the Upstream speaks what the task's actions name */
const checkProtocol = (
  task: UpstreamTask,
  upstream: Upstream,
): readonly FieldError[] | undefined => {
  const [needed, spoken] = [getTaskProtocol(task), getUpstreamProtocol(upstream)];
  if (needed === spoken) return undefined;
  const action = task.allow[0]?.actions[0] ?? '';
  return [
    {
      path: 'role',
      expected: `an Upstream of protocol ${needed}, as ${action} needs`,
      got: `${formatValue(task.role)}, whose protocol is ${spoken}`,
    },
  ];
};

const checkScope = (task: UpstreamTask, upstream: Upstream): readonly FieldError[] =>
  upstream.kind === 'http' ? checkResources(task, upstream) : checkTemplate(task, upstream);

const checkTemplate = (
  { role }: UpstreamTask,
  { name, templates }: PostgresUpstream,
): readonly FieldError[] => {
  const { template } = parseDatabaseRole(role);
  const roles = templates.map((each) => each.role);
  if (roles.includes(template)) return [];
  const listed = roles.map((each) => `${name}/${each}`).join(', ');
  const nearest = formatNearest(findNearestName(template, roles));
  const expected = `a template role that upstream ${name} lists: ${listed}${nearest}`;
  return [{ path: 'role', expected, got: formatValue(role) }];
};

const checkResources = ({ allow }: UpstreamTask, upstream: HttpUpstream): readonly FieldError[] =>
  allow.flatMap(({ resources }, at) =>
    resources.flatMap((resource, index) => {
      const expected = checkResource(resource, upstream);
      return expected === undefined
        ? []
        : [{ path: `allow[${at}].resources[${index}]`, expected, got: formatValue(resource) }];
    }),
  );

/** @returns what was expected of a resource, or undefined */
const checkResource = (
  resource: string,
  { name, rules: { protocol, url }, tools }: HttpUpstream,
): string | undefined => {
  const prefix = protocol === 'http' ? `${url}/` : `${protocol}://${name}/`;
  if (!resource.startsWith(prefix)) {
    return protocol === 'http'
      ? `a URL that begins with ${prefix}, the URL of upstream ${name}`
      : `a resource of upstream ${name}: ${prefix}…`;
  }
  const pattern = readToolPattern(resource);
  if (pattern === undefined || tools.length === 0 || listNamedTools(tools, resource).length > 0) {
    return undefined;
  }
  const nearest = findNearestName(
    pattern,
    tools.map((tool) => tool.name),
  );
  return `a tool that upstream ${name} pins${formatNearest(nearest)}`;
};

/**
 * Lists the distinct pairs of a task of an Upstream, with the access levels that the Upstream assigns.
 *
 * @param upstream absent: it is not known, which is an error
 */
export const expandUpstreamPairs = (
  { role, allow }: Pick<Task, 'role' | 'allow'>,
  upstream: Upstream | undefined,
): Result<readonly Pair[]> => {
  if (upstream === undefined) {
    return fail([{ path: 'role', expected: 'a known Upstream', got: formatValue(role) }]);
  }
  const pairs = new Map<string, Pair>();
  for (const { actions, resources } of allow) {
    for (const name of actions) {
      for (const resource of resources) {
        const accessLevels = [getPairLevel(upstream, { role, action: name, resource })];
        const action = { name, accessLevels, isWildcardOnly: false, resources: [] };
        pairs.set(`${name} ${resource}`, { action, resource });
      }
    }
  }
  if (pairs.size > 0 && pairs.size <= MAX_PAIRS) return succeed([...pairs.values()]);
  const expected = `1 to ${MAX_PAIRS} pairs of an action and a resource`;
  return fail([{ path: 'allow', expected, got: `${pairs.size}` }]);
};
