import { TASK_ANNOTATION_PREFIX } from '../../contract/names.ts';
import type { CloudSettings } from '../../contract/platform.ts';
import type { Task } from '../../contract/task.ts';
import { fail, succeed, type Result } from '../../reading/fault.ts';
import { MAX_POLICY_LENGTH, sessionPolicy } from './session-policy.ts';

/** No address of a pod is written longer. */
const LONGEST_IP = 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff';

/**
 * How long a task's session policy can become: with the longest params, the longest address, and a
 * deadline, which always has the same width.
 *
 * @returns characters, or the fault that they are too many for STS
 */
export const longestSessionPolicy = ({
  task,
  cloud,
}: {
  task: Task;
  cloud: Pick<CloudSettings, 'dialect' | 'bind'>;
}): Result<number> => {
  const { length } = sessionPolicy({
    task,
    params: longestParams(task),
    deadline: 0,
    cloud,
    podIp: LONGEST_IP,
  });
  if (length <= MAX_POLICY_LENGTH) return succeed(length);
  return fail([
    {
      source: `${TASK_ANNOTATION_PREFIX}${task.name}`,
      path: 'allow',
      expected: `a session policy of at most ${MAX_POLICY_LENGTH} characters with its longest params: fewer or shorter actions and resources, or a smaller maxLength`,
      got: `${length} characters`,
    },
  ]);
};

/** A value never holds a character that JSON writes as two. */
const longestParams = ({ params }: Task): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(params).map(([name, { maxLength }]) => [name, 'x'.repeat(maxLength)]),
  );
