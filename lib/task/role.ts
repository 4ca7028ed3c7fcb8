import type { CloudSettings, TaskLimits } from '../contract/platform.ts';
import { string, type Reader, refine } from '../schema/reader.ts';

const ROLE = /^arn:([a-z][a-z0-9-]*):iam::(\d{12})?:role\/(?:[\w+=,.@-]+\/)*[\w+=,.@-]{1,64}$/;
const MAX_ROLE_LENGTH = 640;

/** The form alone: where no platform is at hand to say more. */
export const roleArn: Reader<string> = string({
  expected: 'a role ARN such as arn:aws:iam::111122223333:role/reports',
  pattern: ROLE,
  maxLength: MAX_ROLE_LENGTH,
});

/** A role ARN of an account and a partition that the platform allows. */
export const createRoleReader = (
  limits: TaskLimits,
  dialect: CloudSettings['dialect'],
): Reader<string> =>
  refine(roleArn, (role) => {
    const [, partition = '', account = ''] = ROLE.exec(role) ?? [];
    return checkPartition(partition, limits, dialect) ?? checkAccount(account, limits, dialect);
  });

type Dialect = CloudSettings['dialect'];

const checkPartition = (
  given: string,
  limits: TaskLimits,
  dialect: Dialect,
): string | undefined => {
  const isNative = given === 'aws' || given.startsWith('aws-');
  if (!isNative && !(dialect === 's3' && given === 'minio'))
    return 'a role of partition aws or aws-…';
  return limits.partitions.length === 0 || limits.partitions.includes(given)
    ? undefined
    : `a role of partition ${limits.partitions.join(' or ')}`;
};

const checkAccount = (given: string, limits: TaskLimits, dialect: Dialect): string | undefined => {
  if (given === '' && dialect === 'aws') return 'a role with its 12-digit account id';
  return limits.accountIds.length === 0 || limits.accountIds.includes(given)
    ? undefined
    : `a role of account ${limits.accountIds.join(' or ')}`;
};
