import { OPERATORS } from './condition-operators.ts';
import type { Condition, PolicyDocument, Statement } from './policy-document.ts';
import { matchesWildcards } from './iam-wildcards.ts';

/** What a caller wants to do, and what the cloud knows about the request. */
export type AccessRequest = {
  readonly action: string;
  /** ARN; absent where a role is assumed. */
  readonly resource?: string;
  /** ARN of the identity provider, where a role is assumed. */
  readonly federated?: string;
  /** Condition keys in lower case (IAM ignores their case) and their values. */
  readonly context: ReadonlyMap<string, string>;
};

/**
 * Whether every one of the policies allows and none denies: a session's rights are the meeting of
 * its role's policy and its session policy, and an explicit Deny in either beats any Allow.
 */
export const isAllowed = (policies: readonly PolicyDocument[], request: AccessRequest): boolean =>
  policies.every(
    ({ statements }) =>
      !statements.some((one) => one.effect === 'Deny' && isStatementApplicable(one, request)) &&
      statements.some((one) => one.effect === 'Allow' && isStatementApplicable(one, request)),
  );

const isStatementApplicable = (statement: Statement, request: AccessRequest): boolean =>
  statement.actions.some((pattern) => matchesAction(pattern, request.action)) &&
  matchesResource(statement, request) &&
  statement.federated === request.federated &&
  statement.conditions.every((condition) => isConditionMet(condition, request.context));

const matchesAction = (pattern: string, action: string): boolean =>
  matchesWildcards(pattern.toLowerCase(), action.toLowerCase());

const matchesResource = (
  { resources, otherResources }: Statement,
  { resource }: AccessRequest,
): boolean => {
  if (resource === undefined) return resources === undefined && otherResources === undefined;
  const matches = (pattern: string): boolean => matchesWildcards(pattern, resource);
  return otherResources === undefined
    ? resources?.some(matches) === true
    : !otherResources.some(matches);
};

const isConditionMet = (
  { operator, key, values }: Condition,
  context: ReadonlyMap<string, string>,
): boolean => {
  const rule = OPERATORS.get(operator);
  const actual = context.get(key.toLowerCase());
  if (rule === undefined) throw new Error(`a policy with operator ${operator} was let in`);
  if (actual === undefined) return rule.negated;
  return values.some((expected) => rule.test(actual, expected)) !== rule.negated;
};
