import { TASK_ANNOTATION_PREFIX } from '../../contract/names.ts';
import type { CloudSettings } from '../../contract/platform.ts';
import type { Task } from '../../contract/task.ts';
import {
  fail,
  formatValue,
  succeed,
  type FieldError,
  type Result,
} from '../../schema/field-error.ts';
import { bindResource } from '../../task/resource.ts';
import { MAX_POLICY_LENGTH, buildSessionPolicy } from './session-policy.ts';

/** The longest addresses of a dual-stack pod: it has one per IP family. */
const LONGEST_IPS = ['ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', '255.255.255.255'];

/** Enough for the longest key of S3 and its bucket. A resource of about 1,900 characters crashes Ceph RGW 16. */
const MAX_RESOURCE_LENGTH = 1200;

/**
 * Computes the maximum length of a task's session policy: with the longest params and the longest
 * addresses. A deadline always has the same length.
 *
 * @returns characters, or errors if the policy or a resource is too long
 */
export const maxPolicyLength = ({
  task,
  cloud,
}: {
  task: Task;
  cloud: Pick<CloudSettings, 'dialect' | 'sourceRestriction'>;
}): Result<number> => {
  const { length } = buildSessionPolicy({
    task,
    params: buildLongestParams(task),
    deadline: 0,
    cloud,
    podIps: LONGEST_IPS,
  });
  const source = `${TASK_ANNOTATION_PREFIX}${task.name}`;
  const faults = [...checkPolicyLength(length), ...checkResourceLengths(task)];
  return faults.length === 0 ? succeed(length) : fail(faults.map((each) => ({ source, ...each })));
};

const checkPolicyLength = (length: number): readonly FieldError[] => {
  const expected = `a session policy of at most ${MAX_POLICY_LENGTH} characters with its longest params and every action written out: fewer or shorter actions and resources, a smaller maxLength, or several tasks`;
  return length <= MAX_POLICY_LENGTH
    ? []
    : [{ path: 'allow', expected, got: `${length} characters` }];
};

/** The statements of a task in normal form are not the declared ones, so the resource itself is named. */
const checkResourceLengths = (task: Task): readonly FieldError[] => {
  const params = buildLongestParams(task);
  const expected = `resources of at most ${MAX_RESOURCE_LENGTH} characters with its longest params`;
  const resources = new Set(task.allow.flatMap((statement) => statement.resources));
  return [...resources].flatMap((resource) => {
    const { length } = bindResource(resource, params);
    const got = `${length} characters: ${formatValue(resource)}`;
    return length <= MAX_RESOURCE_LENGTH ? [] : [{ path: 'allow', expected, got }];
  });
};

/** JSON escapes no character of a value. */
const buildLongestParams = ({ params }: Task): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(params).map(([name, { maxLength }]) => [name, 'x'.repeat(maxLength)]),
  );
