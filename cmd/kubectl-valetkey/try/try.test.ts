import { describe, expect, it } from '@jest/globals';

import type { Task } from '../../../lib/contract/task.ts';
import { agentPod, injectPod } from '../../../lib/injection/fixtures/injected-pods.ts';
import {
  authorityPlatform,
  buildTask,
  TRUST_BUNDLE,
} from '../../../lib/injection/fixtures/sample-platform.ts';
import { buildInjectionTemplate } from '../../../lib/injection/injection-template.ts';
import {
  buildPolicyResource,
  buildRevocationResource,
  createHealthyCluster,
  PLATFORM,
  runCli,
  type CliFixture,
} from '../fixtures/cli-harness.ts';

const reading: Task = {
  ...buildTask('summarize', ['agent']),
  allow: [{ actions: ['s3:GetObject'], resources: ['arn:aws:s3:::acme-data/reports/*'] }],
};
const perCustomer: Task = {
  ...buildTask('invoice', ['helper']),
  allow: [{ actions: ['s3:GetObject'], resources: ['arn:aws:s3:::acme-data/{customer}/*'] }],
  params: { customer: { pattern: '[a-z]+', maxLength: 20 } },
};
const PERMIT = '@id("all") permit (principal, action, resource);';
const inside = 's3:GetObject arn:aws:s3:::acme-data/reports/a.csv';
const outside = 's3:GetObject arn:aws:s3:::acme-data/private/a.csv';

const tryPod = (
  words: readonly string[],
  {
    tasks = [reading],
    cedar = PERMIT,
    cluster = {},
  }: {
    readonly tasks?: readonly Task[];
    readonly cedar?: string;
    readonly cluster?: CliFixture['cluster'];
  } = {},
) => {
  const { hash, text } = buildInjectionTemplate(authorityPlatform, TRUST_BUNDLE);
  const pod = injectPod({ pod: agentPod, tasks, platform: authorityPlatform });
  return runCli(['try', 'agent', '-n', 'research', ...words], {
    cluster: {
      readPod: () => Promise.resolve({ ...pod, status: { podIPs: [{ ip: '10.0.0.7' }] } }),
      readConfigMap: (name) =>
        name === 'valetkey-injection-templates'
          ? Promise.resolve({ [hash]: text })
          : createHealthyCluster().readConfigMap(name),
      listPolicies: () => Promise.resolve([buildPolicyResource(cedar)]),
      ...cluster,
    },
  });
};

describe('try POD', () => {
  it('shows that pod, run and call are allowed, in the case of the catalog', async () => {
    const { code, out } = await tryPod(['--call', inside.replace('GetObject', 'getobject')]);
    expect(out).toBe(`pod research/agent, task summarize
  pod  allowed
  run  allowed by valetkey-starter/all
       permitted by valetkey-starter/all
  call allowed  ${inside}
       within the task
`);
    expect(code).toBe(0);
  });

  it.each([
    [outside, 'resource_outside', 'the task does not list this resource with this action'],
    [inside.replace('Get', 'Put'), 'action_outside', 'the task does not list this action'],
  ])('refuses %s with the code of the gateway', async (call, refusal, reason) => {
    const { code, out } = await tryPod(['--call', inside, '--call', call]);
    expect(out).toContain(`  call allowed  ${inside}\n`);
    expect(out).toContain(`  call refused  ${call}\n       ${refusal}: ${reason}\n`);
    expect(code).toBe(1);
  });

  it.each([
    ['resource', 'context.resource like "*/reports/*"', 'refused', 1],
    ['time', 'context.hour < 8', 'undecided', 4],
  ])('evaluates policies about calls by their %s', async (_, condition, outcome, status) => {
    const cedar = `${PERMIT}
@id("calls") forbid (principal, action == Action::"call", resource) when { ${condition} };`;
    const { code, out } = await tryPod(['--call', inside], { cedar });
    expect(out).toContain(`  call ${outcome}  ${inside}\n`);
    expect(out).toContain('valetkey-starter/calls');
    expect(code).toBe(status);
  });

  it('refuses a run that policy denies', async () => {
    const { code, out } = await tryPod(['--call', inside], {
      cedar: 'forbid (principal, action, resource);',
    });
    expect(out).toContain('  run  refused');
    expect(out).toContain(`  call refused  ${inside}\n       no run starts`);
    expect(code).toBe(1);
  });

  it('refuses a pod that is revoked', async () => {
    const revocation = buildRevocationResource('r', { namespace: 'research' });
    const { code, out } = await tryPod(['--call', inside], {
      cluster: { listRevocations: () => Promise.resolve([revocation]) },
    });
    expect(out).toContain('  pod  refused\n       revocation r: expected none in force');
    expect(code).toBe(1);
  });

  it('binds the params of the run', async () => {
    const words = ['--task', 'invoice', '--param', 'customer=acme'];
    const calls = ['acme', 'other'].map((name) => `s3:GetObject arn:aws:s3:::acme-data/${name}/a`);
    const { out } = await tryPod([...words, ...calls.flatMap((call) => ['--call', call])], {
      tasks: [perCustomer, reading],
    });
    expect(out).toContain(`call allowed  ${calls[0]}\n`);
    expect(out).toContain(`call refused  ${calls[1]}\n`);
  });

  it.each<readonly [string, readonly string[], RegExp]>([
    ['no task of several', [], /^--task: expected one of the tasks of pod .*: invoice, summarize/],
    ['missing params', ['--task', 'invoice'], /^params\.?\/?customer: expected /],
    [
      'an unknown action',
      ['--task', 'summarize', '--call', 's3:GetObjct a'],
      /such as s3:GetObject/,
    ],
    ['a call without a resource', ['--call', 's3:GetObject'], /expected 'ACTION RESOURCE'/],
    ['a wildcard', ['--call', 's3:GetObject a*'], /one resource without wildcards/],
  ])('reports %s as a usage error', async (_, words, expected) => {
    const { code, error } = await tryPod(words, { tasks: [perCustomer, reading] });
    expect(error).toMatch(expected);
    expect(code).toBe(2);
  });

  it('prints objects for scripts', async () => {
    const { out } = await tryPod(['--call', outside, '-o', 'json']);
    expect(JSON.parse(out)).toMatchObject({
      pods: [
        {
          ...{ pod: 'agent', task: 'summarize', refusals: [], run: { now: { outcome: 'allow' } } },
          calls: [{ outcome: 'refused', code: 'resource_outside', action: 's3:GetObject' }],
        },
      ],
    });
  });
});

describe('try -f FILE', () => {
  const POD = `apiVersion: v1
kind: Pod
metadata:
  name: agent
  namespace: research
  annotations:
    task.valetkey.dev/read: |
      role: arn:aws:iam::111122223333:role/r
      lifetime: 10m
      allow: [{actions: [s3:GetObject], resources: ["arn:aws:s3:::acme-data/reports/*"]}]
spec:
  securityContext: {runAsNonRoot: true}
  containers: [{name: agent, image: a}]
`;
  const POLICY = `apiVersion: valetkey.dev/v1alpha1
kind: TaskPolicy
metadata: {name: a}
spec: {cedar: "permit (principal, action, resource);"}
`;
  const files = { 'pod.yaml': POD, 'policy.yaml': POLICY, 'platform.yaml': PLATFORM };
  const words = ['try', '-f', 'pod.yaml', '-f', 'policy.yaml', '--platform', 'platform.yaml'];

  it('decides without a cluster', async () => {
    const { code, out, opened } = await runCli([...words, '--call', inside], { files });
    expect(out).toContain('  pod  allowed\n  run  allowed by a/');
    expect(out).toContain(`  call allowed  ${inside}\n`);
    expect([code, opened]).toEqual([0, []]);
  });

  it('shows why admission refuses the pod', async () => {
    const bad = POD.replace('runAsNonRoot: true', 'runAsUser: 0');
    const { code, out } = await runCli([...words, '--call', inside], {
      files: { ...files, 'pod.yaml': bad },
    });
    expect(out).toContain('  pod  refused\n       ');
    expect(code).toBe(1);
  });
});
