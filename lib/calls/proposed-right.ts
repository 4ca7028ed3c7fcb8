import {
  MAX_PROPOSED_PAIRS,
  MAX_PROPOSED_RESOURCE_LENGTH,
  type Proposal,
} from '../contract/proposals.ts';
import type { TaskStatement } from '../contract/task.ts';
import type { Permission } from '../operations/operation.ts';
import type { CallAuthorization } from './call-authorization.ts';
import type { CallRefusalCode } from './call-refusals.ts';
import { evaluateCall } from './call-evaluation.ts';

/** Refusals whose only cause is a right that the task does not list. */
const MISSING_RIGHTS: ReadonlySet<CallRefusalCode> = new Set([
  ...([
    'action_outside',
    'resource_outside',
    'path_outside',
    'ref_outside',
    'tool_outside',
  ] as const),
]);

/** Characters that a task would read as a pattern or a param: the addition would allow more than the call. */
const PATTERN = /[*?{}]/;

type Pair = { readonly action: string; readonly resource: string };

/**
 * Finds the smallest addition to a task that allows a refused call.
 *
 * @param task the statements of the run, with their params bound
 * @returns undefined: another cause, or a resource that is not known, or that a task cannot name exactly
 */
export const findProposal = (
  code: CallRefusalCode,
  { permissions, refusal, excluded }: CallAuthorization,
  task: { readonly name: string; readonly allow: readonly TaskStatement[] },
): Proposal | undefined => {
  if (refusal?.code !== code || !MISSING_RIGHTS.has(code)) return undefined;
  const outside = permissions.filter(
    (each) => isSame(each, excluded) || !evaluateCall([each], task.allow).isAllowed,
  );
  const pairs = outside.flatMap(({ action, resource }) =>
    resource === undefined || !isExact({ action, resource }) ? [] : [{ action, resource }],
  );
  if (pairs.length === 0 || pairs.length !== outside.length) return undefined;
  const allow = mergePairs(pairs);
  const count = allow.reduce((sum, each) => sum + each.resources.length, 0);
  return count <= MAX_PROPOSED_PAIRS ? { task: task.name, allow } : undefined;
};

const isSame = (one: Permission, other: Permission | undefined): boolean =>
  one.action === other?.action && one.resource === other.resource;

/** The first request of a push names no ref: its right would be to push to every one. */
const isExact = ({ action, resource }: Pair): boolean =>
  resource.length <= MAX_PROPOSED_RESOURCE_LENGTH &&
  (resource === '*' || !PATTERN.test(resource)) &&
  (!/^git:(?:push|delete-ref)$/.test(action) || resource.includes('#'));

/** One statement for each action, in the order of their names: all together allow exactly the pairs. */
const mergePairs = (pairs: readonly Pair[]): readonly TaskStatement[] => {
  const byAction = new Map<string, Set<string>>();
  for (const { action, resource } of pairs) {
    byAction.set(action, (byAction.get(action) ?? new Set<string>()).add(resource));
  }
  return [...byAction]
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([action, resources]) => ({ actions: [action], resources: [...resources].toSorted() }));
};
