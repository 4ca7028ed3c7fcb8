import type { Platform } from '../../lib/contract/platform.ts';
import { formatValue } from '../../lib/schema/field-error.ts';
import { createUsageError } from './tool-error.ts';

const ARN = /^arn:[a-z-]+:iam::(\d{12})?:role\/[\w+=,.@/-]+$/;
const NAME = /^[\w+=,.@/-]+$/;

/**
 * The ARN of a role that is given by its ARN or its name. A private cloud's roles have no account.
 *
 * @throws ToolError
 */
export const resolveRoleArn = (
  { role, account }: { readonly role: string; readonly account?: string },
  { cloud, tasks }: Platform,
): string => {
  if (ARN.test(role)) return role;
  if (!NAME.test(role)) {
    throw createUsageError([
      { path: '--role', expected: 'a role ARN or name', got: formatValue(role) },
    ]);
  }
  const [partition = 'aws'] = tasks.partitions;
  if (cloud.dialect === 's3') return `arn:${partition}:iam:::role/${role}`;
  const id = account ?? (tasks.accountIds.length === 1 ? tasks.accountIds[0] : undefined);
  if (id !== undefined && /^\d{12}$/.test(id)) return `arn:${partition}:iam::${id}:role/${role}`;
  const expected = '12 digits, where --role is a name and the platform allows no single account';
  throw createUsageError([{ path: '--account', expected, got: formatValue(id) }]);
};
