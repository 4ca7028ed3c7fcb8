import { ANY_ACCOUNT, type CloudSettings, type TaskLimits } from '../contract/platform.ts';
import { checkRoleDialect, requireRoleArn, roleArn, type RoleArn } from '../schema/arn.ts';
import { refine, type Reader } from '../schema/reader.ts';

/** Reads a role ARN of the platform's dialect, and of a partition and an account that it allows. */
export const createRoleReader = (
  limits: TaskLimits,
  dialect: CloudSettings['dialect'],
): Reader<string> =>
  refine(roleArn, (text) => {
    const role = requireRoleArn(text);
    return checkRoleDialect(role, dialect) ?? checkLimits(role, limits, dialect);
  });

const checkLimits = (
  { partition, account }: RoleArn,
  { partitions, accountIds }: TaskLimits,
  dialect: CloudSettings['dialect'],
): string | undefined => {
  if (partitions.length > 0 && !partitions.includes(partition)) {
    return `a role of partition ${partitions.join(' or ')}`;
  }
  if (accountIds.length === 0) {
    return dialect === 's3' ? undefined : 'an account in tasks.accountIds, which lists none';
  }
  return accountIds.includes(account) || accountIds.includes(ANY_ACCOUNT)
    ? undefined
    : `a role of account ${accountIds.join(' or ')}`;
};
