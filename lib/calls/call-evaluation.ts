import type { TaskStatement } from '../contract/task.ts';
import type { Permission } from '../operations/operation.ts';
import { matchesPattern, patternsOverlap } from '../schema/wildcard-patterns.ts';

/** A call that the gateway passes on, or why it does not. */
export type CallDecision =
  | {
      readonly isAllowed: true;
      /** Whether a statement covers each resource; else the session policy decides on the rest. */
      readonly isResolved: boolean;
    }
  | {
      readonly isAllowed: false;
      readonly code: 'action_outside' | 'resource_outside';
      /** The first permission that no statement covers. */
      readonly permission: Permission;
    };

/** Every session may ask who it is, as in IAM. */
const ALWAYS_ALLOWED = 'sts:GetCallerIdentity';

const coversAction = ({ actions }: TaskStatement, action: string): boolean =>
  actions.some((pattern) => matchesPattern(pattern, action));

const evaluatePermission = (
  permission: Permission,
  allow: readonly TaskStatement[],
): CallDecision => {
  const { action, resource, within } = permission;
  if (action === ALWAYS_ALLOWED) return { isAllowed: true, isResolved: true };
  const statements = allow.filter((statement) => coversAction(statement, action));
  if (statements.length === 0) return { isAllowed: false, code: 'action_outside', permission };
  if (resource === undefined && within === undefined) return { isAllowed: true, isResolved: false };
  const covers = (pattern: string): boolean =>
    resource === undefined
      ? patternsOverlap(pattern, within ?? '')
      : matchesPattern(pattern, resource);
  return statements.some(({ resources }) => resources.some(covers))
    ? { isAllowed: true, isResolved: resource !== undefined }
    : { isAllowed: false, code: 'resource_outside', permission };
};

/**
 * Decides whether a call is within a task: one statement must cover each of its permissions, action and
 * resource together. Default deny; a call without permissions is not allowed.
 *
 * @param allow the statements of the run, with their params bound
 */
export const evaluateCall = (
  permissions: readonly Permission[],
  allow: readonly TaskStatement[],
): CallDecision => {
  if (permissions.length === 0) throw new Error('expected the permissions of a call, got none');
  const decisions = permissions.map((permission) => evaluatePermission(permission, allow));
  return (
    decisions.find(({ isAllowed }) => !isAllowed) ?? {
      isAllowed: true,
      isResolved: decisions.every((decision) => decision.isAllowed && decision.isResolved),
    }
  );
};
