import type { Platform } from '../../lib/contract/platform.ts';
import { checkRoleDialect, parseRoleArn, requireRoleArn } from '../../lib/schema/arn.ts';
import { formatValue } from '../../lib/schema/field-error.ts';
import { createUsageError } from './tool-error.ts';

/**
 * Completes a role that is given as an ARN or as a name (with its path, if any). Roles of a private
 * cloud have no account.
 *
 * @returns role ARN in the platform's dialect
 * @throws ToolError for an invalid role or account
 */
export const resolveRoleArn = (
  given: { readonly role: string; readonly account?: string },
  platform: Platform,
): string => {
  const isArn = given.role.startsWith('arn:');
  if (parseRoleArn(isArn ? given.role : `arn:aws:iam:::role/${given.role}`) === undefined) {
    throw createRoleError('a role ARN or name', given.role);
  }
  const text = isArn ? given.role : buildRoleArn(given, platform);
  checkAccount(given, text);
  const expected = checkRoleDialect(requireRoleArn(text), platform.cloud.dialect);
  if (expected !== undefined) throw createRoleError(expected, given.role);
  return text;
};

/** An account that the role does not have must not be dropped without a word. */
const checkAccount = ({ account }: { readonly account?: string }, role: string): void => {
  const own = requireRoleArn(role).account;
  if (account === undefined || account === own) return;
  const expected =
    own === '' ? 'no account, because the role has none' : `${own}, the account of the role`;
  throw createUsageError([{ path: '--account', expected, got: formatValue(account) }]);
};

const createRoleError = (expected: string, role: string): Error =>
  createUsageError([{ path: '--role', expected, got: formatValue(role) }]);

const buildRoleArn = (
  { role, account }: { readonly role: string; readonly account?: string },
  { cloud, tasks }: Platform,
): string => {
  const [partition = 'aws'] = tasks.partitions;
  if (cloud.dialect === 's3') return `arn:${partition}:iam:::role/${role}`;
  const id = account ?? (tasks.accountIds.length === 1 ? tasks.accountIds[0] : undefined);
  if (id !== undefined && /^\d{12}$/.test(id)) return `arn:${partition}:iam::${id}:role/${role}`;
  const expected =
    '12 digits, because --role is a name and the platform does not allow exactly one account';
  throw createUsageError([{ path: '--account', expected, got: formatValue(id) }]);
};
