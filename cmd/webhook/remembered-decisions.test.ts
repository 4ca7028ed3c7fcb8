import { describe, expect, test } from '@jest/globals';

import { taskFor } from '../../lib/injection/fixtures/platform.ts';
import type { AdmissionQuestion, Decision } from '../../lib/policy/decision.ts';
import { openPolicies } from '../../lib/policy/policies.ts';
import { rememberDecisions } from './remembered-decisions.ts';

const policies = openPolicies([]);
const principal = { namespace: 'research', namespaceLabels: {}, serviceAccount: 'agent' };
const question: AdmissionQuestion = {
  principal,
  task: taskFor('summarize', ['agent']),
  bind: 'none',
};
const taskCalled = (name: string): AdmissionQuestion => ({
  ...question,
  task: taskFor(name, ['agent']),
});
const allowed: Decision = { outcome: 'allow', policies: [], reasons: [], version: '' };

const open = (answer: () => Decision = () => allowed) => {
  const asked: AdmissionQuestion[] = [];
  const decide = rememberDecisions((_, each) => {
    asked.push(each);
    return Promise.resolve().then(answer);
  });
  return { asked, decide };
};

describe('remembered decisions', () => {
  test('are made once for all pods that ask the same, also at once', async () => {
    const { asked, decide } = open();
    const both = [decide(policies, question), decide(policies, structuredClone(question))];
    expect(await Promise.all(both)).toEqual([allowed, allowed]);
    expect(await decide(policies, question)).toEqual(allowed);
    expect(asked).toHaveLength(1);
  });

  test.each<[string, AdmissionQuestion]>([
    ['another task', { ...question, task: { ...question.task, lifetimeSeconds: 1 } }],
    ['another namespace', { ...question, principal: { ...principal, namespace: 'other' } }],
    ['other labels', { ...question, principal: { ...principal, namespaceLabels: { a: 'b' } } }],
    ['another account', { ...question, principal: { ...principal, serviceAccount: 'other' } }],
    ['other binding', { ...question, bind: 'podIP' }],
  ])('are made again for %s', async (_what, other) => {
    const { asked, decide } = open();
    await decide(policies, question);
    await decide(policies, other);
    expect(asked).toHaveLength(2);
  });

  test('are made again by other policies', async () => {
    const { asked, decide } = open();
    await decide(policies, question);
    await decide(openPolicies([{ name: 'new', cedar: '' }]), question);
    expect(asked).toHaveLength(2);
  });

  test('are not kept where none could be made', async () => {
    const broken = open(() => {
      throw new Error('no catalogue');
    });
    await expect(broken.decide(policies, question)).rejects.toThrow('no catalogue');
    await expect(broken.decide(policies, question)).rejects.toThrow('no catalogue');
    expect(broken.asked).toHaveLength(2);
  });

  test('let everybody else have a turn after each that is new', async () => {
    const { decide } = open();
    let turns = 0;
    const count = (): void => {
      turns += 1;
      others = setImmediate(count);
    };
    let others = setImmediate(count);
    for (let task = 0; task < 10; task += 1) await decide(policies, taskCalled(`task-${task}`));
    clearImmediate(others);
    expect(turns).toBeGreaterThanOrEqual(9);
  });
});
