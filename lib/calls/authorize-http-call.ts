import type { TaskStatement } from '../contract/task.ts';
import { refuseCall, type CallResult } from './call-request.ts';
import { evaluateCall } from './evaluate-call.ts';
import type { HttpTarget } from './http-target.ts';

/** The methods that have an action `http:<method>`. */
const HTTP_METHODS = ['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;

/** An authorized call, as the journal names it. */
export type AuthorizedHttpCall = { readonly action: string; readonly resource: string };

/**
 * Decides whether a request is within the task of its run: one statement must list its method and its
 * path together.
 *
 * @param allow the statements of the run, with their params bound
 */
export const authorizeHttpCall = (
  { method, target }: { method: string; target: HttpTarget },
  { name, allow }: { name: string; allow: readonly TaskStatement[] },
): CallResult<AuthorizedHttpCall> => {
  if (!HTTP_METHODS.some((known) => known === method)) {
    return refuseCall('request_malformed', `expected one of ${HTTP_METHODS.join(', ')}`);
  }
  const call = { action: `http:${method}`, resource: `${target.origin}${target.path}` };
  const decision = evaluateCall([call], allow);
  if (decision.isAllowed) return { ok: true, value: call };
  return decision.code === 'action_outside'
    ? refuseCall('action_outside', `${call.action} is outside task ${name}`)
    : refuseCall('path_outside', `${call.action} on ${call.resource} is outside task ${name}`);
};
