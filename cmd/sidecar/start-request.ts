import { MAX_PURPOSE_LENGTH, type Task } from '../../lib/contract/task.ts';
import type { RunRequest } from '../../lib/contract/exchange.ts';
import type { RunRefusal } from '../../lib/runs/run-refusal.ts';
import { object, read, rejectValue, string, value, type Reader } from '../../lib/schema/reader.ts';
import type { SidecarConfig } from './config.ts';
import { buildBadRequestRefusal, userTokenUnsupported } from './route-refusals.ts';

/** A token is not shown, not even in the fault that it is none. */
const secret: Reader<string> = (given, path, faults) =>
  typeof given === 'string'
    ? given
    : rejectValue(faults, { path, expected: 'a string', value: '(not shown)' });

/** A signed token (RFC 7515, section 7.1): three parts, of which none is empty. */
const JWT = /^[\w-]+\.[\w-]+\.[\w-]+$/;
const invalidJwt = { path: 'userToken', expected: 'a JWT', got: 'something else (not shown)' };

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
});

type Start = { readonly kind: 'start'; readonly request: RunRequest };

/** The body of `POST /v1/tasks/{task}/runs`, bound to its task; or why not, every fault at once. */
export const readStartRequest = async (
  body: unknown,
  { consumer, task, trust }: { consumer: string; task: Task; trust: SidecarConfig['trust'] },
): Promise<Start | RunRefusal> => {
  const given = read(startBody, body);
  if (!given.ok) return buildBadRequestRefusal(given.faults);
  const { params, purpose, userToken } = given.value;
  if (userToken !== undefined && trust === 'cluster') return userTokenUnsupported;
  if (userToken !== undefined && !JWT.test(userToken)) return buildBadRequestRefusal([invalidJwt]);
  // Most sidecars never bind a param: they do without the memory of its pattern engine.
  const { bindParams } = await import('../../lib/task/params.ts');
  const bound = bindParams(task, params);
  if (!bound.ok) return buildBadRequestRefusal(bound.faults);
  const purposeMember = purpose === undefined ? {} : { purpose };
  const userTokenMember = userToken === undefined ? {} : { userToken };
  return {
    kind: 'start',
    request: { consumer, task, params: bound.value, ...purposeMember, ...userTokenMember },
  };
};
