import { describe, expect, it } from '@jest/globals';

import { buildTask } from '../../lib/injection/fixtures/sample-platform.ts';
import type { AdmissionPolicyRequest, PolicyDecision } from '../../lib/policy/decision.ts';
import { compilePolicies } from '../../lib/policy/compiled-policies.ts';
import { cacheDecisions } from './cached-decisions.ts';

const policies = compilePolicies([]);
const principal = { namespace: 'research', namespaceLabels: {}, serviceAccount: 'agent' };
const request: AdmissionPolicyRequest = {
  vend: 'free',
  atMs: Date.UTC(2026, 0, 5, 13, 30),
  principal,
  task: buildTask('summarize', ['agent']),
  sourceRestriction: 'none',
  dialect: 'aws',
};
const buildTaskRequest = (name: string): AdmissionPolicyRequest => ({
  ...request,
  task: buildTask(name, ['agent']),
});
const allowed: PolicyDecision = { outcome: 'allow', policies: [], reasons: [], version: '' };

const createTestCache = (answer: () => PolicyDecision = () => allowed) => {
  const requests: AdmissionPolicyRequest[] = [];
  const counts: number[] = [];
  const decide = cacheDecisions(
    (_, each) => {
      requests.push(each);
      return Promise.resolve().then(answer);
    },
    (count) => counts.push(count),
  );
  return { requests, decide, counts };
};

describe('cacheDecisions', () => {
  it('evaluates equal requests once, also concurrent ones', async () => {
    const { requests, decide } = createTestCache();
    const both = [decide(policies, request), decide(policies, structuredClone(request))];
    expect(await Promise.all(both)).toEqual([allowed, allowed]);
    expect(await decide(policies, request)).toEqual(allowed);
    expect(requests).toHaveLength(1);
  });

  it.each<[string, AdmissionPolicyRequest]>([
    ['another task', { ...request, task: { ...request.task, lifetimeSeconds: 1 } }],
    ['another namespace', { ...request, principal: { ...principal, namespace: 'other' } }],
    ['other labels', { ...request, principal: { ...principal, namespaceLabels: { a: 'b' } } }],
    ['another account', { ...request, principal: { ...principal, serviceAccount: 'other' } }],
    ['other binding', { ...request, sourceRestriction: 'podIP' }],
    ['another setting of policy.vend', { ...request, vend: 'exception' }],
    ['the next day in UTC', { ...request, atMs: Date.UTC(2026, 0, 6) }],
  ])('evaluates again for %s', async (_what, other) => {
    const { requests, decide } = createTestCache();
    await decide(policies, request);
    await decide(policies, other);
    expect(requests).toHaveLength(2);
  });

  it('evaluates once for all times of one day in UTC', async () => {
    const { requests, decide } = createTestCache();
    await decide(policies, { ...request, atMs: Date.UTC(2026, 0, 5) });
    await decide(policies, { ...request, atMs: Date.UTC(2026, 0, 6) - 1 });
    expect(requests).toHaveLength(1);
  });

  it('evaluates again with other policies', async () => {
    const { requests, decide } = createTestCache();
    await decide(policies, request);
    await decide(compilePolicies([{ name: 'new', cedar: '' }]), request);
    expect(requests).toHaveLength(2);
  });

  it('does not cache errors', async () => {
    const failing = createTestCache(() => {
      throw new Error('no catalog');
    });
    await expect(failing.decide(policies, request)).rejects.toThrow('no catalog');
    await expect(failing.decide(policies, request)).rejects.toThrow('no catalog');
    expect(failing.requests).toHaveLength(2);
  });

  it('reports how many requests wait or run, failed ones included', async () => {
    const { decide, counts } = createTestCache();
    await Promise.all(['a', 'b'].map((name) => decide(policies, buildTaskRequest(name))));
    expect(counts).toEqual([0, 1, 2, 1, 0]);
    const failing = createTestCache(() => {
      throw new Error('no catalog');
    });
    await expect(failing.decide(policies, request)).rejects.toThrow('no catalog');
    expect(failing.counts).toEqual([0, 1, 0]);
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
