import type { TaskStatement } from '../contract/task.ts';
import { HTTP_METHODS } from '../contract/upstream.ts';
import type { CallAuthorization } from './call-authorization.ts';
import type { CallRefusal } from './call-refusals.ts';
import { evaluateCall } from './call-evaluation.ts';
import type { HttpTarget } from './http-target.ts';

/**
 * Decides whether a request is within the task of its run: one statement must list its method and its
 * path together.
 *
 * @param allow the statements of the run, with their params bound
 */
export const authorizeHttpCall = (
  { method, target }: { method: string; target: HttpTarget },
  { name, allow }: { name: string; allow: readonly TaskStatement[] },
): CallAuthorization => {
  if (!HTTP_METHODS.some((known) => known === method)) {
    const message = `expected one of ${HTTP_METHODS.join(', ')}`;
    return { permissions: [], isResolved: false, refusal: { code: 'request_malformed', message } };
  }
  const call = { action: `http:${method}`, resource: `${target.origin}${target.path}` };
  const authorization = { permissions: [call], isResolved: true };
  const decision = evaluateCall([call], allow);
  if (decision.isAllowed) return authorization;
  const refusal: CallRefusal =
    decision.code === 'action_outside'
      ? { code: 'action_outside', message: `${call.action} is outside task ${name}` }
      : {
          code: 'path_outside',
          message: `${call.action} on ${call.resource} is outside task ${name}`,
        };
  return { ...authorization, refusal };
};
