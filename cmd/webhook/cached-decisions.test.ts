import { describe, expect, it } from '@jest/globals';

import { buildTask } from '../../lib/injection/fixtures/sample-platform.ts';
import type { AdmissionPolicyRequest, PolicyDecision } from '../../lib/policy/decision.ts';
import { compilePolicies } from '../../lib/policy/compiled-policies.ts';
import { cacheDecisions } from './cached-decisions.ts';

const policies = compilePolicies([]);
const principal = { namespace: 'research', namespaceLabels: {}, serviceAccount: 'agent' };
const question: AdmissionPolicyRequest = {
  principal,
  task: buildTask('summarize', ['agent']),
  sourceRestriction: 'none',
};
const buildTaskRequest = (name: string): AdmissionPolicyRequest => ({
  ...question,
  task: buildTask(name, ['agent']),
});
const allowed: PolicyDecision = { outcome: 'allow', policies: [], reasons: [], version: '' };

const createTestCache = (answer: () => PolicyDecision = () => allowed) => {
  const asked: AdmissionPolicyRequest[] = [];
  const decide = cacheDecisions((_, each) => {
    asked.push(each);
    return Promise.resolve().then(answer);
  });
  return { asked, decide };
};

describe('cacheDecisions', () => {
  it('evaluates equal requests once, also concurrent ones', async () => {
    const { asked, decide } = createTestCache();
    const both = [decide(policies, question), decide(policies, structuredClone(question))];
    expect(await Promise.all(both)).toEqual([allowed, allowed]);
    expect(await decide(policies, question)).toEqual(allowed);
    expect(asked).toHaveLength(1);
  });

  it.each<[string, AdmissionPolicyRequest]>([
    ['another task', { ...question, task: { ...question.task, lifetimeSeconds: 1 } }],
    ['another namespace', { ...question, principal: { ...principal, namespace: 'other' } }],
    ['other labels', { ...question, principal: { ...principal, namespaceLabels: { a: 'b' } } }],
    ['another account', { ...question, principal: { ...principal, serviceAccount: 'other' } }],
    ['other binding', { ...question, sourceRestriction: 'podIP' }],
  ])('evaluates again for %s', async (_what, other) => {
    const { asked, decide } = createTestCache();
    await decide(policies, question);
    await decide(policies, other);
    expect(asked).toHaveLength(2);
  });

  it('evaluates again with other policies', async () => {
    const { asked, decide } = createTestCache();
    await decide(policies, question);
    await decide(compilePolicies([{ name: 'new', cedar: '' }]), question);
    expect(asked).toHaveLength(2);
  });

  it('does not cache errors', async () => {
    const broken = createTestCache(() => {
      throw new Error('no catalogue');
    });
    await expect(broken.decide(policies, question)).rejects.toThrow('no catalogue');
    await expect(broken.decide(policies, question)).rejects.toThrow('no catalogue');
    expect(broken.asked).toHaveLength(2);
  });

  it('lets other work run after each evaluation', async () => {
    const { decide } = createTestCache();
    let turns = 0;
    const count = (): void => {
      turns += 1;
      others = setImmediate(count);
    };
    let others = setImmediate(count);
    for (let task = 0; task < 10; task += 1)
      await decide(policies, buildTaskRequest(`task-${task}`));
    clearImmediate(others);
    expect(turns).toBeGreaterThanOrEqual(9);
  });
});
