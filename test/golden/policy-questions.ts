import type { RunPolicyRequest } from '../../lib/policy/decision.ts';
import { buildTask } from '../../lib/injection/fixtures/sample-platform.ts';

const task = buildTask('summarize', ['agent']);
const param = { customer: { pattern: '[a-z]+', maxLength: 20 } };
const OBJECTS = 'arn:aws:s3:::acme-data/reports/*';
const BY_CUSTOMER = 'arn:aws:s3:::acme-data/reports/{customer}/*';

/** A run by a labeled namespace, on a Monday at 13:30 UTC. */
const ask = (more: Partial<RunPolicyRequest>): RunPolicyRequest => ({
  principal: {
    ...{ namespace: 'research', serviceAccount: 'agent' },
    namespaceLabels: { 'valetkey.dev/tasks': 'allowed' },
  },
  ...{
    task,
    params: {},
    sourceRestriction: 'none',
    dialect: 'aws',
    vend: 'free',
    approvals: [],
    atMs: Date.UTC(2026, 0, 5, 13, 30),
  },
  ...more,
});

const allowing = (actions: readonly string[], ...resources: readonly string[]): RunPolicyRequest =>
  ask({ task: { ...task, allow: [{ actions, resources }] } });

const user = { issuer: 'https://login.example', subject: 'alice@example.org' };
const stranger = { namespace: 'sales', namespaceLabels: {}, serviceAccount: 'default' };

/** What policies are asked, by name. */
export const questions: Readonly<Record<string, RunPolicyRequest>> = {
  reads: ask({}),
  'of an unlabeled namespace': ask({ principal: stranger }),
  'for a user': ask({ user }),
  'for another user': ask({ user: { ...user, subject: 'bob' } }),
  approved: { ...allowing(['s3:PutObject'], OBJECTS), approvals: ['owners'] },
  'at night': ask({ atMs: Date.UTC(2026, 0, 4, 3, 0) }),
  'bound to the pod': ask({ sourceRestriction: 'podIP' }),
  'for an hour': ask({ task: { ...task, lifetimeSeconds: 3600 } }),
  'of another task': ask({ task: { ...task, name: 'other' } }),
  'of another account': ask({ task: { ...task, role: 'arn:aws:iam::444455556666:role/x' } }),
  'with a param': ask({
    params: { customer: 'acme' },
    task: {
      ...task,
      params: param,
      allow: [{ actions: ['s3:GetObject'], resources: [BY_CUSTOMER] }],
    },
  }),
  writes: allowing(['s3:PutObject'], OBJECTS),
  'reads and writes': allowing(['s3:GetObject', 's3:PutObject'], OBJECTS, 'arn:aws:s3:::other/*'),
  'everything of a bucket': allowing(
    ['s3:GetObject', 's3:GetObjectAcl', 's3:GetObjectTagging'],
    'arn:aws:s3:::acme-data/*',
  ),
  'changes permissions': allowing(['s3:PutBucketPolicy'], 'arn:aws:s3:::acme-data'),
  'an unknown action': allowing(['s3:NoSuchThing'], OBJECTS),
};
