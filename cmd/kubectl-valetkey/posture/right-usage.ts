import type { UsedPermission } from '../../../lib/contract/authority-api.ts';
import type { TaskStatement } from '../../../lib/contract/task.ts';
import { computeSha256 } from '../../../lib/audit/chain.ts';
import { cutResource } from '../../../lib/calls/call-summary.ts';
import { matchesPattern, patternsOverlap } from '../../../lib/schema/wildcard-patterns.ts';
import { widenPlaceholders } from '../../../lib/task/resource.ts';
import { coversText } from '../../../lib/task/subset.ts';

/** `unknown`: the records cannot show whether a run used the right. */
export type RightState = 'used' | 'unused' | 'unknown';

/** One action with one resource of a task, as it is declared. */
export type Right = {
  readonly action: string;
  readonly resource: string;
  readonly state: RightState;
};

type Pair = Omit<Right, 'state'>;

/**
 * Decides of each right of a task whether what runs used shows its use. Records state the beginning of most resources,
 * so one use may belong to several rights: of these only what covers the whole beginning is used.
 *
 * @param used what the records list
 * @param isComplete whether the records list all that was used; otherwise no right is `unused`
 */
export const evaluateRights = (
  allow: readonly TaskStatement[],
  used: readonly UsedPermission[],
  isComplete: boolean,
): readonly Right[] => {
  const pairs = listPairs(allow);
  const states = new Map<Pair, RightState>();
  for (const each of used) {
    const candidates = pairs.filter((pair) => mayBe(pair, each));
    for (const pair of candidates) {
      const isUsed = candidates.length === 1 || covers(pair, each);
      if (states.get(pair) !== 'used') states.set(pair, isUsed ? 'used' : 'unknown');
    }
  }
  const rest = isComplete ? 'unused' : 'unknown';
  return pairs.map((pair) => ({ ...pair, state: states.get(pair) ?? rest }));
};

const listPairs = (allow: readonly TaskStatement[]): readonly Pair[] => {
  const pairs = allow.flatMap(({ actions, resources }) =>
    actions.flatMap((action) => resources.map((resource) => ({ action, resource }))),
  );
  return [...new Map(pairs.map((pair) => [formatPair(pair), pair])).values()];
};

const formatPair = ({ action, resource }: Pair): string => `${action} ${resource}`;

/** As journals write resources with `gateway.journalResources: hashed`. */
const HASHED = /^sha256:[0-9a-f]{64}$/;
/** What a record adds to a text that it cuts. */
const CUT = / \[…\d+ characters, sha256 [0-9a-f]{64}\]$/;

/** The pattern of what a use may be of: its resource itself, or what begins with it. */
const toPattern = (resource: string): string => {
  if (CUT.test(resource)) return `${resource.replace(CUT, '')}*`;
  if (resource.startsWith('git:')) return `${resource}#*`;
  return resource.endsWith('/') ? `${resource}*` : resource;
};

/** Whether a use may be of this right. */
const mayBe = ({ action, resource: declared }: Pair, used: UsedPermission): boolean => {
  if (used.action !== action) return false;
  if (used.resource === undefined) return true;
  const pattern = widenPlaceholders(declared);
  if (HASHED.test(used.resource)) {
    const isLiteral = !/[*?]/.test(pattern);
    return !isLiteral || used.resource === `sha256:${computeSha256(cutResource(pattern))}`;
  }
  return (
    patternsOverlap(pattern, used.resource) || patternsOverlap(pattern, toPattern(used.resource))
  );
};

/** Whether a use is certainly of this right, even if others cover it, too. */
const covers = ({ resource: declared }: Pair, { resource }: UsedPermission): boolean => {
  if (declared === '*') return true;
  if (resource === undefined || HASHED.test(resource)) return false;
  const pattern = widenPlaceholders(declared);
  const of = toPattern(resource);
  // A param has one value for each run, so that its pattern covers no beginning that ends inside it.
  if (of !== resource) return coversText(declared, of);
  return matchesPattern(pattern, resource);
};

/**
 * The statements without the unused rights. The others keep their order; actions with equal resources share one
 * statement.
 *
 * @returns undefined if no right is unused; an empty list if every one is
 */
export const buildSmallerAllow = (
  allow: readonly TaskStatement[],
  rights: readonly Right[],
): readonly TaskStatement[] | undefined => {
  const unused = new Set(rights.filter(({ state }) => state === 'unused').map(formatPair));
  if (unused.size === 0) return undefined;
  return allow.flatMap(({ actions, resources }) => {
    const grouped = new Map<string, { actions: string[]; resources: readonly string[] }>();
    for (const action of actions) {
      const kept = resources.filter((resource) => !unused.has(formatPair({ action, resource })));
      if (kept.length === 0) continue;
      const key = JSON.stringify(kept);
      const group = grouped.get(key) ?? { actions: [], resources: kept };
      group.actions.push(action);
      grouped.set(key, group);
    }
    return [...grouped.values()];
  });
};
