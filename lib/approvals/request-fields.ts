import { boundText } from '../audit/bounded-text.ts';
import type { RequestField } from '../contract/approvals.ts';
import type { Task } from '../contract/task.ts';

/** Keys of AWS and of common APIs; signed tokens and private keys are masked by {@link boundText}. */
const KEYS = /\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\b(?:sk|ghp|gho|ghs|glpat|xox[abprs])[-_][\w-]{16,}/g;

const MAX_FIELDS = 64;
/** Bytes of all fields as JSON. */
const MAX_BYTES = 8 * 1024;
const MAX_NAME = 128;
const MAX_VALUE = 512;

/** Within what the CRD allows: a truncated text states its length and hash. */
const boundField = ({ name, value }: RequestField): RequestField => ({
  name: boundText(name, MAX_NAME),
  value: boundText(value.replace(KEYS, '[secret]'), MAX_VALUE),
});

/**
 * Limits the lines of a request for people: each is one line without control and invisible characters,
 * keys and tokens are masked, and all together have at most 8 KiB. A last line states what was left out.
 */
export const boundRequestFields = (fields: readonly RequestField[]): readonly RequestField[] => {
  const kept: RequestField[] = [];
  let bytes = REST_BYTES;
  for (const field of fields.map(boundField)) {
    bytes += Buffer.byteLength(JSON.stringify(field)) + 1;
    if (bytes > MAX_BYTES || kept.length === MAX_FIELDS - 1) break;
    kept.push(field);
  }
  const left = fields.length - kept.length;
  return left === 0 ? kept : [...kept, { name: '…', value: `${left} more` }];
};

/** For the brackets and for the line about what was left out. */
const REST_BYTES = 128;

/** The start of a run, as people read it: what the session would allow, never what the agent says about it. */
export const buildRunFields = ({
  task,
  params,
  resources,
}: {
  readonly task: Task;
  readonly params: Readonly<Record<string, string>>;
  /** Of each statement of the task, with the values of its params. */
  readonly resources: readonly (readonly string[])[];
}): readonly RequestField[] =>
  boundRequestFields([
    { name: 'task', value: task.name },
    { name: task.provider === 'http' ? 'upstream' : 'role', value: task.role },
    { name: 'delivery', value: task.delivery },
    { name: 'lifetime', value: `${task.lifetimeSeconds} s` },
    ...Object.entries(params).map(([name, value]) => ({ name: `param ${name}`, value })),
    ...task.allow.flatMap(({ actions }, index) => [
      ...actions.map((value) => ({ name: `actions ${index + 1}`, value })),
      ...(resources[index] ?? []).map((value) => ({ name: `resources ${index + 1}`, value })),
    ]),
  ]);

/** One call, as people read it: what the gateway would pass on. */
export const buildCallFields = (
  {
    task,
    operation,
    bytes,
  }: { readonly task: Task; readonly operation: string; readonly bytes?: number },
  {
    permissions,
    content,
  }: {
    readonly permissions: readonly {
      readonly action: string;
      readonly resource?: string | undefined;
    }[];
    readonly content: readonly RequestField[];
  },
): readonly RequestField[] =>
  boundRequestFields([
    { name: 'task', value: task.name },
    { name: task.provider === 'aws' ? 'role' : 'upstream', value: task.role },
    { name: 'operation', value: operation },
    ...permissions.map(({ action, resource = 'a resource that is not known' }) => ({
      name: action,
      value: resource,
    })),
    ...(bytes === undefined ? [] : [{ name: 'bytes', value: String(bytes) }]),
    ...content,
  ]);
