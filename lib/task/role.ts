import type { CloudSettings, TaskLimits } from '../contract/platform.ts';
import { checkRoleDialect, requireRoleArn, roleArn, type RoleArn } from '../schema/arn.ts';
import { refine, type Reader } from '../schema/reader.ts';

/** Reads a role ARN of the platform's dialect, and of a partition and an account that it allows. */
export const createRoleReader = (
  limits: TaskLimits,
  dialect: CloudSettings['dialect'],
): Reader<string> =>
  refine(roleArn, (text) => {
    const role = requireRoleArn(text);
    return checkRoleDialect(role, dialect) ?? checkLimits(role, limits);
  });

const checkLimits = (
  { partition, account }: RoleArn,
  { partitions, accountIds }: TaskLimits,
): string | undefined => {
  if (partitions.length > 0 && !partitions.includes(partition)) {
    return `a role of partition ${partitions.join(' or ')}`;
  }
  return accountIds.length > 0 && !accountIds.includes(account)
    ? `a role of account ${accountIds.join(' or ')}`
    : undefined;
};
