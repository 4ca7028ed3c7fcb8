import { TASK_DETAILS_TYPE, type TaskDetails } from '../contract/authority-api.ts';
import { MAX_PURPOSE_LENGTH } from '../contract/task.ts';
import {
  dnsLabel,
  list,
  object,
  stringEnum,
  record,
  rejectValue,
  string,
  type Reader,
} from '../schema/reader.ts';

/** Characters: sixteen params of maximum length, a purpose, and a margin. */
const MAX_LENGTH = 16 * 1024;

/** Reads `authorization_details` (RFC 9396, section 2): a JSON list of exactly one task. */
export const taskDetails: Reader<TaskDetails> = (given, path, faults) => {
  const elements = details(parseJson(given), path, faults);
  if (typeof elements === 'symbol') return elements;
  return elements[0] ?? rejectValue(faults, { path, expected: 'one element', value: undefined });
};

/** Undefined if it is not JSON, or too long to be parsed. */
const parseJson = (given: unknown): unknown => {
  if (typeof given !== 'string' || given.length > MAX_LENGTH) return undefined;
  try {
    return JSON.parse(given);
  } catch {
    return undefined;
  }
};

const text = string({ expected: 'text of at most 1024 characters', maxLength: 1024 });

const task: Reader<TaskDetails> = object({
  type: stringEnum([TASK_DETAILS_TYPE]),
  task: dnsLabel,
  consumer: dnsLabel,
  params: {
    reader: record(string({ expected: 'a param name', pattern: /^[A-Za-z0-9_.-]{1,64}$/ }), text),
    otherwise: {},
  },
  purpose: {
    optional: string({
      expected: `one line of at most ${MAX_PURPOSE_LENGTH} characters`,
      pattern: /^[^\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]*$/u,
      maxLength: MAX_PURPOSE_LENGTH,
    }),
  },
});

const details: Reader<readonly TaskDetails[]> = (given, path, faults) =>
  given === undefined
    ? rejectValue(faults, {
        path,
        expected: `JSON of at most ${MAX_LENGTH} characters`,
        value: undefined,
      })
    : list(task, { min: 1, max: 1 })(given, path, faults);
