import { findNearestName } from '../catalog/nearest-name.ts';
import { MAX_PAIRS, type Task } from '../contract/task.ts';
import { fail, formatValue, succeed, type FieldError, type Result } from '../schema/field-error.ts';
import type { Pair } from '../task/pairs.ts';
import { getAccessLevel } from '../upstreams/access-levels.ts';
import type { HttpUpstream, Upstream } from '../upstreams/upstream.ts';

/** The Upstreams of the cluster that could be parsed, by name. */
export type Upstreams = ReadonlyMap<string, Upstream>;

type HttpTask = Pick<Task, 'role' | 'allow'>;

/**
 * Finds the Upstream of a task, and checks that the task names nothing outside it. The webhook and the
 * authority both ask: Upstreams change after admission.
 *
 * @returns the Upstream, or all errors
 */
export const findTaskUpstream = (
  { role, allow }: HttpTask,
  upstreams: Upstreams,
): Result<HttpUpstream> => {
  const upstream = upstreams.get(role);
  if (upstream === undefined) return fail([buildUnknownError(role, upstreams)]);
  if (upstream.kind !== 'http' || upstream.rules.protocol !== 'http') {
    const expected = 'an Upstream with a url and protocol http';
    return fail([{ path: 'role', expected, got: formatValue(role) }]);
  }
  const { url } = upstream.rules;
  const faults = allow.flatMap(({ resources }, at) =>
    resources.flatMap((resource, index) =>
      resource.startsWith(`${url}/`)
        ? []
        : [
            {
              path: `allow[${at}].resources[${index}]`,
              expected: `a URL that begins with ${url}/, the URL of upstream ${role}`,
              got: formatValue(resource),
            },
          ],
    ),
  );
  return faults.length > 0 ? fail(faults) : succeed(upstream);
};

const buildUnknownError = (role: string, upstreams: Upstreams): FieldError => {
  const nearest = findNearestName(role, upstreams.keys());
  const hint = nearest === undefined ? '' : `; the nearest is ${nearest}`;
  return {
    path: 'role',
    expected: `the name of an Upstream of this cluster${hint}`,
    got: formatValue(role),
  };
};

/**
 * Lists the distinct pairs of a task of provider `http`, with the access levels that its Upstream assigns.
 *
 * @param upstream absent: it is not known, which is an error
 */
export const expandHttpPairs = (
  { role, allow }: HttpTask,
  upstream: HttpUpstream | undefined,
): Result<readonly Pair[]> => {
  if (upstream === undefined) {
    return fail([{ path: 'role', expected: 'a known Upstream', got: formatValue(role) }]);
  }
  const pairs = new Map<string, Pair>();
  for (const { actions, resources } of allow) {
    for (const name of actions) {
      for (const resource of resources) {
        const accessLevels = [getAccessLevel(upstream, { action: name, resource })];
        const action = { name, accessLevels, isWildcardOnly: false, resources: [] };
        pairs.set(`${name} ${resource}`, { action, resource });
      }
    }
  }
  if (pairs.size > 0 && pairs.size <= MAX_PAIRS) return succeed([...pairs.values()]);
  const expected = `1 to ${MAX_PAIRS} pairs of an action and a resource`;
  return fail([{ path: 'allow', expected, got: `${pairs.size}` }]);
};
