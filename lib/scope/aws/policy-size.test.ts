import { describe, expect, it } from '@jest/globals';
import fc from '../../../test/kit/fast-check.ts';
import type { CloudSettings } from '../../contract/platform.ts';
import type { Task } from '../../contract/task.ts';
import { bindResource } from '../../task/resource.ts';
import { maxPolicyLength } from './policy-size.ts';
import { buildSessionPolicy } from './session-policy.ts';

const task: Task = {
  name: 'report',
  provider: 'aws',
  role: 'arn:aws:iam::111122223333:role/agent-reports',
  allow: [{ actions: ['s3:GetObject'], resources: ['arn:aws:s3:::acme-data/{a}/{b}/{a}/*'] }],
  params: { a: { pattern: '.*', maxLength: 20 }, b: { pattern: '.*', maxLength: 64 } },
  lifetimeSeconds: 600,
  delivery: 'vend',
  containers: ['agent'],
  default: false,
  exclusive: false,
};
const cloud: Pick<CloudSettings, 'dialect' | 'sourceRestriction'> = {
  dialect: 'aws',
  sourceRestriction: { mode: 'podIP' },
};

const measurePolicy = (declared: Task): number => {
  const result = maxPolicyLength({ task: declared, cloud });
  return result.ok ? result.value : Number(/\d+/.exec(result.faults[0]?.got ?? '')?.[0]);
};

describe('maxPolicyLength', () => {
  it('is at least the length of every session policy of a run', () => {
    const value = (max: number) =>
      fc.stringMatching(new RegExp(`^[ -!#%-)+->@-Z^-z|~\\]\\[]{1,${max}}$`));
    const deadline = fc.date({
      min: new Date(0),
      max: new Date('9999-12-31'),
      noInvalidDate: true,
    });
    fc.assert(
      fc.property(
        value(20),
        value(64),
        deadline,
        fc.oneof(fc.tuple(fc.ipV4()), fc.tuple(fc.ipV6()), fc.tuple(fc.ipV4(), fc.ipV6())),
        (a, b, at, podIps) => {
          const policy = buildSessionPolicy({
            task,
            params: { a, b },
            deadline: at.getTime(),
            cloud,
            podIps,
          });
          expect(policy.length).toBeLessThanOrEqual(measurePolicy(task));
        },
      ),
    );
  });

  it('accepts 2048 characters and rejects one more', () => {
    const spare = 2048 - measurePolicy(task);
    const padded = (by: number): Task => ({
      ...task,
      allow: [...task.allow.slice(1), buildWideStatement(task.allow[0]?.resources[0] ?? '', by)],
    });
    expect(maxPolicyLength({ task: padded(spare), cloud })).toEqual({ ok: true, value: 2048 });
    expect(maxPolicyLength({ task: padded(spare + 1), cloud })).toMatchObject({
      ok: false,
      faults: [
        {
          source: 'task.valetkey.dev/report',
          path: 'allow',
          expected: expect.stringContaining('at most 2048 characters'),
          got: '2049 characters',
        },
      ],
    });
  });
});

it('accepts a resource of 1200 characters with its longest params and rejects one more', () => {
  const fixed = bindResource('arn:aws:s3:::acme-data/{a}/', { a: 'x'.repeat(20) }).length;
  const long = (by: number): Task => ({
    ...task,
    allow: [
      { actions: ['s3:GetObject'], resources: [`arn:aws:s3:::acme-data/{a}/${'x'.repeat(by)}`] },
    ],
  });
  expect(maxPolicyLength({ task: long(1200 - fixed), cloud }).ok).toBe(true);
  expect(maxPolicyLength({ task: long(1201 - fixed), cloud })).toMatchObject({
    ok: false,
    faults: [
      { path: 'allow', got: expect.stringMatching(/^1201 characters: "arn:aws:s3:::acme-data/) },
    ],
  });
});

const buildWideStatement = (resource: string, by: number): Task['allow'][number] => ({
  actions: ['s3:GetObject'],
  resources: [resource, 'x'.repeat(600), 'x'.repeat(by - '"",'.length * 2 - 600)],
});
