import { RUN_ID_LENGTH } from '../contract/authority-api.ts';
import { TASK_ANNOTATION_PREFIX } from '../contract/names.ts';
import type { AuthoritySettings, CloudSettings } from '../contract/platform.ts';
import type { Task } from '../contract/task.ts';
import { MAX_TAG_VALUE_LENGTH, buildSessionTags } from '../grant/session-tags.ts';
import type { FieldError } from '../schema/field-error.ts';
import { MAX_POLICY_LENGTH } from '../scope/aws/session-policy.ts';
import { maxPolicyLength } from '../scope/aws/policy-size.ts';

/**
 * How many characters of a session policy take as much of the packed limit of STS as one character of a
 * tag. AWS does not document it. The six tags of EKS Pod Identity, about 300 characters, take 74 % of
 * the limit (aws/containers-roadmap#2413), and a session policy near its 2,048 characters about 100 %
 * when there are no tags: 5. One more is the margin.
 */
const POLICY_CHARACTERS_PER_TAG_CHARACTER = 6;

export type PackedSizeRequest = {
  readonly task: Task;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly cloud: Pick<CloudSettings, 'dialect' | 'sourceRestriction'>;
  readonly authority: Pick<AuthoritySettings, 'tagParams'>;
};

/**
 * Checks by an estimate that the session policy and the session tags of a task fit together into the
 * packed limit of STS, with the longest params. Only AWS has this limit.
 *
 * @returns an error if STS could refuse runs of the task
 */
export const checkPackedSize = (request: PackedSizeRequest): readonly FieldError[] => {
  const { task, cloud } = request;
  if (task.provider !== 'aws') return [];
  const policy = maxPolicyLength({ task, cloud });
  // A policy that is too long by itself was refused when the task was read.
  if (cloud.dialect !== 'aws' || !policy.ok) return [];
  const tags = measureTags(request);
  const total = policy.value + tags * POLICY_CHARACTERS_PER_TAG_CHARACTER;
  if (total <= MAX_POLICY_LENGTH) return [];
  const expected = `a session policy and session tags that STS can pack: at most ${MAX_POLICY_LENGTH} characters, each of a tag counted as ${POLICY_CHARACTERS_PER_TAG_CHARACTER}; fewer or shorter actions and resources, shorter names, fewer authority.tagParams, or several tasks`;
  const got = `${total}: ${policy.value} of the policy, ${tags} of tags`;
  return [{ source: `${TASK_ANNOTATION_PREFIX}${task.name}`, path: 'allow', expected, got }];
};

const measureTags = ({ task, namespace, serviceAccount, authority }: PackedSizeRequest): number => {
  const params = Object.entries(task.params).map(
    ([name, { maxLength }]) =>
      [name, 'x'.repeat(Math.min(maxLength, MAX_TAG_VALUE_LENGTH))] as const,
  );
  const run = 'x'.repeat(RUN_ID_LENGTH);
  const tagged = { namespace, serviceAccount, task: task.name, run };
  const { principal_tags: tags } = buildSessionTags(
    { ...tagged, params: Object.fromEntries(params) },
    authority.tagParams,
  );
  return Object.entries(tags).reduce((sum, [name, [value]]) => sum + name.length + value.length, 0);
};
