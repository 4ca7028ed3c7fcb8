import { MAX_PURPOSE_LENGTH, type Task } from '../../lib/contract/task.ts';
import type { RunRequest } from '../../lib/credentials/exchange.ts';
import type { Refusal } from '../../lib/credentials/refusal.ts';
import { object, read, refuse, string, value, type Reader } from '../../lib/reading/reader.ts';
import type { SidecarConfig } from './config.ts';
import { badRequest, userTokenUnsupported } from './refusals.ts';

/** A token is not shown, not even in the fault that it is none. */
const secret: Reader<string> = (given, path, faults) =>
  typeof given === 'string'
    ? given
    : refuse(faults, { path, expected: 'a string', value: '(not shown)' });

/** A signed token (RFC 7515, section 7.1): three parts, of which none is empty. */
const JWT = /^[\w-]+\.[\w-]+\.[\w-]+$/;
const noJwt = { path: 'userToken', expected: 'a JWT', got: 'something else (not shown)' };

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
): Promise<Start | Refusal> => {
  const given = read(startBody, body);
  if (!given.ok) return badRequest(given.faults);
  const { params, purpose, userToken } = given.value;
  if (userToken !== undefined && trust === 'cluster') return userTokenUnsupported;
  if (userToken !== undefined && !JWT.test(userToken)) return badRequest([noJwt]);
  // Most sidecars never bind a param: they do without the memory of its pattern engine.
  const { bindParams } = await import('../../lib/task/params.ts');
  const bound = bindParams(task, params);
  if (!bound.ok) return badRequest(bound.faults);
  const why = purpose === undefined ? {} : { purpose };
  const whom = userToken === undefined ? {} : { userToken };
  return { kind: 'start', request: { consumer, task, params: bound.value, ...why, ...whom } };
};
