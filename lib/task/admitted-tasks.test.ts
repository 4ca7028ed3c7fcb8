import { describe, expect, it } from '@jest/globals';
import fc from '../../test/kit/fast-check.ts';
import { MAX_ENV_BYTES, type AdmittedTasks, type Task } from '../contract/task.ts';
import { formatFieldError } from '../schema/field-error.ts';
import { readAdmittedTasks, formatAdmittedTasks } from './admitted-tasks.ts';

const report: Task = {
  name: 'report',
  provider: 'aws',
  role: 'arn:aws:iam::111122223333:role/agent-reports',
  allow: [{ actions: ['s3:GetObject'], resources: ['arn:aws:s3:::acme-data/{customer}/*'] }],
  params: { customer: { pattern: '[a-z]+', maxLength: 40 } },
  lifetimeSeconds: 600,
  purpose: 'nightly summary',
  delivery: 'vend',
  containers: ['agent'],
  default: false,
  exclusive: false,
};
const admitted: AdmittedTasks = { consumers: ['agent', 'helper'], tasks: [report] };

const formatOrThrow = (value: unknown): string => {
  const result = formatAdmittedTasks(value as AdmittedTasks);
  if (!result.ok) throw new Error(result.faults.map(formatFieldError).join());
  return result.value;
};
const listReadErrors = (value: unknown): readonly string[] => {
  const result = readAdmittedTasks(typeof value === 'string' ? value : JSON.stringify(value));
  return result.ok ? [] : result.faults.map(formatFieldError);
};

describe('readAdmittedTasks', () => {
  it('returns the tasks that formatAdmittedTasks wrote', () => {
    expect(readAdmittedTasks(formatOrThrow(admitted))).toEqual({ ok: true, value: admitted });
  });

  it.each([
    ['text that is not JSON', '{', '(root): expected JSON, got other text'],
    ['another shape', '[]', '(root): expected a mapping, got []'],
    [
      'an unknown key',
      { ...admitted, image: 'x' },
      'image: expected only consumers, tasks, got an unknown key',
    ],
    ['no task', { ...admitted, tasks: [] }, 'tasks: expected a list of 1 to 16 elements, got []'],
    ['a task twice', { ...admitted, tasks: [report, report] }, /each task once/],
    ['a consumer twice', { ...admitted, consumers: ['agent', 'agent'] }, /each consumer once/],
    [
      'a container that is no consumer',
      { ...admitted, consumers: ['helper'] },
      /tasks of the listed consumers only/,
    ],
    [
      'a consumer that would leave its folder',
      { ...admitted, consumers: ['agent', '../x'] },
      /a DNS label/,
    ],
    [
      'a service with a wildcard',
      buildAdmittedWith({ allow: [{ actions: ['*'], resources: ['*'] }] }),
      /service:Action/,
    ],
    [
      'a resource that is no ARN',
      buildAdmittedWith({ allow: [{ actions: ['s3:GetObject'], resources: ['**'] }] }),
      /an ARN such as/,
    ],
    [
      'a short form, which admission writes out',
      buildAdmittedWith({ allow: [{ actions: ['s3:Get*'], resources: ['arn:aws:s3:::a/*'] }] }),
      /service:Action without wildcards/,
    ],
    [
      'a pattern that expands to too many steps',
      buildAdmittedWith({ params: { customer: { pattern: '(a{99}){99}', maxLength: 1 } } }),
      /repetitions expand to at most/,
    ],
    [
      'a placeholder without a param',
      buildAdmittedWith({ params: {} }),
      /resources use only its params/,
    ],
    ['a lifetime of zero', buildAdmittedWith({ lifetimeSeconds: 0 }), /whole number/],
  ])('rejects %s', (_what, value, fault) => {
    const [first, ...others] = listReadErrors(value);
    expect(others).toEqual([]);
    if (typeof fault === 'string') expect(first).toBe(fault);
    else expect(first).toMatch(fault);
  });

  it('accepts exactly the size that the kernel allows', () => {
    const remaining =
      MAX_ENV_BYTES - 'VALETKEY_TASKS='.length - 1 - formatOrThrow(buildPaddedTasks('')).length;
    expect(formatAdmittedTasks(buildPaddedTasks('x'.repeat(remaining)))).toMatchObject({
      ok: true,
    });
    expect(formatAdmittedTasks(buildPaddedTasks('x'.repeat(remaining + 1)))).toMatchObject({
      faults: [{ got: `${MAX_ENV_BYTES + 1} bytes` }],
    });
  });

  it('returns tasks or errors for arbitrary text and never throws', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        expect(listReadErrors(text).length).toBeGreaterThan(0);
      }),
    );
  });
});

function buildAdmittedWith(changes: object): unknown {
  return { ...admitted, tasks: [{ ...report, ...changes }] };
}

function buildPaddedTasks(purpose: string): AdmittedTasks {
  return { ...admitted, tasks: [{ ...report, purpose }] };
}
