import type { TaskStatement } from '../contract/task.ts';
import type { HttpSecret } from '../contract/upstream.ts';
import type { HttpTarget } from './http-target.ts';

/** Where Vault issues tokens and changes itself. */
const GUARDED = /^\/v1\/(?:auth|sys)(?:\/|$)/;

const isVault = ({ headers }: HttpSecret): boolean => Object.hasOwn(headers, 'x-vault-token');

/**
 * Narrows the statements of a task for one request: paths of Vault below `auth` and `sys` must be listed
 * literally. A pattern for secrets, such as `/v1/*`, would else reach what mints tokens.
 *
 * @param allow the statements of the run, with their params bound
 */
export const narrowVaultStatements = (
  allow: readonly TaskStatement[],
  { path }: Pick<HttpTarget, 'path'>,
  secret: HttpSecret,
): readonly TaskStatement[] => {
  const base = new URL(secret.upstream.url).pathname.replace(/\/$/, '');
  if (!isVault(secret) || !GUARDED.test(path.slice(base.length))) return allow;
  return allow.map(({ actions, resources }) => ({
    actions,
    resources: resources.filter((resource) => !resource.includes('*')),
  }));
};
