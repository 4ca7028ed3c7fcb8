import { DELEGATION_HANDLE } from '../contract/authority-api.ts';
import { MAX_PURPOSE_LENGTH, type Task } from '../contract/task.ts';
import type { RunRequest } from '../contract/exchange.ts';
import {
  buildBadRequestRefusal,
  delegationUnsupported,
  userTokenUnsupported,
} from './request-refusals.ts';
import type { RunRefusal } from './run-refusal.ts';
import { object, read, rejectValue, string, value, type Reader } from '../schema/reader.ts';

/** The error never contains the value. */
const secret: Reader<string> = (given, path, faults) =>
  typeof given === 'string'
    ? given
    : rejectValue(faults, { path, expected: 'a string', value: '(not shown)' });

/** A signed token (RFC 7515, section 7.1): three non-empty parts. */
const JWT = /^[\w-]+\.[\w-]+\.[\w-]+$/;
const invalidJwt = { path: 'userToken', expected: 'a JWT', got: 'something else (not shown)' };

const invalidHandle = {
  path: 'delegation',
  expected: 'a handle of a delegation',
  got: 'something else (not shown)',
};
/** A delegated run acts for the user of the run above it. */
const oneSubject = { path: 'userToken', expected: 'none with a delegation', got: 'both' };

const mapping = value(
  'a mapping',
  (given): given is object => typeof given === 'object' && given !== null,
);

const startBody = object({
  params: { optional: mapping },
  purpose: {
    optional: string({
      expected: `one line of at most ${MAX_PURPOSE_LENGTH} characters`,
      pattern: /^[^\p{Cc}\p{Cf}\u2028\u2029]*$/u,
      maxLength: MAX_PURPOSE_LENGTH,
    }),
  },
  userToken: { optional: secret },
  delegation: { optional: secret },
});

type Start = { readonly kind: 'start'; readonly request: RunRequest };

/**
 * Reads the body of `POST /v1/tasks/{task}/runs` and binds its params to the task. A refusal lists all
 * field errors at once.
 */
export const readStartRequest = async (
  body: unknown,
  { consumer, task, trust }: { consumer: string; task: Task; trust: 'authority' | 'cluster' },
): Promise<Start | RunRefusal> => {
  const given = read(startBody, body);
  if (!given.ok) return buildBadRequestRefusal(given.faults);
  const { params, purpose, userToken, delegation } = given.value;
  if (userToken !== undefined && trust === 'cluster') return userTokenUnsupported;
  if (delegation !== undefined && trust === 'cluster') return delegationUnsupported;
  if (userToken !== undefined && !JWT.test(userToken)) return buildBadRequestRefusal([invalidJwt]);
  if (delegation !== undefined && !DELEGATION_HANDLE.test(delegation)) {
    return buildBadRequestRefusal([invalidHandle]);
  }
  if (delegation !== undefined && userToken !== undefined) {
    return buildBadRequestRefusal([oneSubject]);
  }
  // Loaded on demand: most sidecars never bind a param, and the pattern engine takes memory.
  const { bindParams } = await import('../task/params.ts');
  const bound = bindParams(task, params);
  if (!bound.ok) return buildBadRequestRefusal(bound.faults);
  return {
    kind: 'start',
    request: {
      consumer,
      task,
      params: bound.value,
      ...(purpose !== undefined && { purpose }),
      ...(userToken !== undefined && { userToken }),
      ...(delegation !== undefined && { delegation }),
    },
  };
};
