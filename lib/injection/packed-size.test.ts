import { describe, expect, it } from '@jest/globals';

import type { Task } from '../contract/task.ts';
import { maxPolicyLength } from '../scope/aws/policy-size.ts';
import { buildTask } from './fixtures/sample-platform.ts';
import { checkPackedSize, type PackedSizeRequest } from './packed-size.ts';

const cloud = { dialect: 'aws', sourceRestriction: { mode: 'podIP' } } as const;
const BUCKET = 'arn:aws:s3:::acme-data/';

/** A task whose session policy has this length. */
const buildTaskOfLength = (length: number): Task => {
  const withResource = (key: string): Task => ({
    ...buildTask('summarize', ['agent']),
    allow: [{ actions: ['s3:GetObject'], resources: [`${BUCKET}${key}`] }],
  });
  const shortest = maxPolicyLength({ task: withResource(''), cloud });
  if (!shortest.ok) throw new Error('expected a policy that fits');
  return withResource('x'.repeat(length - shortest.value));
};

const check = (task: Task, changes: Partial<PackedSizeRequest> = {}) =>
  checkPackedSize({
    ...{ task, namespace: 'research', serviceAccount: 'agent', cloud },
    ...{ authority: { tagParams: [] }, ...changes },
  });

/** Names of the four tags, and their values: namespace, service account, task and run. */
const TAGS =
  'valetkey-namespace'.length +
  'valetkey-service-account'.length +
  'valetkey-task'.length +
  'valetkey-run'.length +
  'research'.length +
  'agent'.length +
  'summarize'.length +
  32;
const LONGEST = 2048 - 6 * TAGS;

describe('checkPackedSize', () => {
  it('counts each character of a tag as six of the session policy', () => {
    expect(check(buildTaskOfLength(LONGEST))).toEqual([]);
    expect(check(buildTaskOfLength(LONGEST + 1))).toEqual([
      {
        source: 'task.valetkey.dev/summarize',
        path: 'allow',
        expected: expect.stringContaining('that STS can pack: at most 2048 characters'),
        got: `2049: ${LONGEST + 1} of the policy, ${TAGS} of tags`,
      },
    ]);
  });

  it('counts the name of the namespace and of the service account', () => {
    const task = buildTaskOfLength(LONGEST);
    expect(check(task, { namespace: 'research-1' })).toHaveLength(1);
    expect(check(task, { serviceAccount: 'agents' })).toHaveLength(1);
  });

  it('counts the longest value of each param that becomes a tag', () => {
    const plain = buildTaskOfLength(600);
    const params = { customer: { pattern: '.*', maxLength: 200 } };
    const task = { ...plain, params };
    expect(check(task)).toEqual([]);
    expect(check(task, { authority: { tagParams: ['customer'] } })).toHaveLength(1);
  });

  it('accepts every size on a private cloud, which packs nothing', () => {
    const s3 = { dialect: 's3', sourceRestriction: { mode: 'podIP' } } as const;
    expect(check(buildTaskOfLength(LONGEST + 1), { cloud: s3 })).toEqual([]);
  });
});
