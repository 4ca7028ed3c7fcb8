import type { TaskStatement } from '../contract/task.ts';
import type { CallAuthorization } from './call-authorization.ts';
import { evaluateCall } from './call-evaluation.ts';

/** What the startup packet of a session asks for; empty: nothing. */
export type SessionRequest = { readonly user: string; readonly database: string };

export type SessionAuthorization = CallAuthorization & { readonly database: string };

const ACTION = 'postgres:connect';

/** @returns undefined unless the task has exactly one database, whose name has no pattern */
const findOnlyDatabase = (prefix: string, allow: readonly TaskStatement[]): string | undefined => {
  const [only, ...others] = new Set(allow.flatMap(({ resources }) => resources));
  const isOne = only?.startsWith(prefix) === true && others.length === 0 && !/[*?{]/.test(only);
  return isOne ? only.slice(prefix.length) : undefined;
};

/**
 * Decides which database a session gets. Without `PGDATABASE`, clients ask for one with the name of their
 * user, which the gateway replaces: they get the task's database if there is exactly one.
 *
 * @param upstream name of the Upstream
 * @param allow the statements of the run, with their params bound
 */
export const authorizeDatabaseSession = (
  { user, database: asked }: SessionRequest,
  { upstream, task, allow }: { upstream: string; task: string; allow: readonly TaskStatement[] },
): SessionAuthorization => {
  const prefix = `postgres://${upstream}/`;
  const isDefault = asked === '' || asked === user;
  const database = (isDefault ? findOnlyDatabase(prefix, allow) : undefined) ?? (asked || user);
  const permission = { action: ACTION, resource: `${prefix}${database}` };
  const authorization = { database, permissions: [permission], isResolved: true };
  const decision = evaluateCall([permission], allow);
  if (decision.isAllowed) return authorization;
  const message = `${ACTION} on ${permission.resource} is outside task ${task}`;
  return { ...authorization, refusal: { code: decision.code, message } };
};
