import { describe, expect, test } from '@jest/globals';

import type { Pod } from '../../lib/contract/pod.ts';
import type { Task } from '../../lib/contract/task.ts';
import {
  authorityPlatform,
  platform,
  ROOTS,
  taskFor,
} from '../../lib/injection/fixtures/platform.ts';
import { agentPod, inject } from '../../lib/injection/fixtures/pods.ts';
import { profileOf } from '../../lib/injection/profile.ts';
import {
  CLUSTER_PLATFORM,
  policyResource,
  revocationResource,
  run,
  wellCluster,
} from './fixtures/stage.ts';

const reading: Task = taskFor('summarize', ['agent']);
const perCustomer: Task = {
  ...taskFor('invoice', ['helper']),
  allow: [{ actions: ['s3:GetObject'], resources: ['arn:aws:s3:::acme-data/{customer}/*'] }],
  params: { customer: { pattern: '[a-z]+', maxLength: 20 } },
};

/** A cluster that holds this pod, injected under `trust: authority` unless told otherwise. */
const holding = (
  tasks: readonly Task[],
  change: (pod: Pod) => Pod = (pod) => pod,
  under = authorityPlatform,
) => {
  const { hash, text } = profileOf(under, ROOTS);
  const pod = change(inject({ pod: agentPod, tasks, platform: under }));
  return {
    readPod: () => Promise.resolve({ ...pod, status: { podIP: '10.0.0.7' } }),
    readConfigMap: (name: string) =>
      name === 'valetkey-profiles'
        ? Promise.resolve({ [hash]: text })
        : wellCluster(under.trust === 'cluster' ? CLUSTER_PLATFORM : undefined).readConfigMap(name),
  };
};

const forbidding = `@id("no-invoices")
forbid (principal, action == Action::"run", resource == Task::"invoice");`;

describe('explain POD', () => {
  test('says what policy decides, by which policies, and what the session policy will be', async () => {
    const { code, out, error } = await run(['explain', 'agent', '-n', 'research'], {
      cluster: holding([reading]),
    });
    expect(error).toBe('');
    expect(out).toBe(`pod research/agent, service account default, trust: authority
keeps every rule

task summarize
  role            arn:aws:iam::111122223333:role/agent-reports
  consumers       agent
  lifetime        600 s
  grant for       spiffe://prod.example/ns/research/sa/default/task/summarize
  any run         allow by valetkey-starter/labelled-namespaces
                  permitted by valetkey-starter/labelled-namespaces
  a run now       allow by valetkey-starter/labelled-namespaces
                  permitted by valetkey-starter/labelled-namespaces
  session policy  {
                    "Version": "2012-10-17",
                    "Statement": [
                      {
                        "Effect": "Allow",
                        "Action": [
                          "s3:GetObject"
                        ],
                        "Resource": [
                          "arn:aws:s3:::acme-data/reports/*"
                        ]
                      },
                      {
                        "Effect": "Deny",
                        "Action": [
                          "s3:*"
                        ],
                        "Resource": "*",
                        "Condition": {
                          "DateGreaterThanEquals": {
                            "aws:CurrentTime": "2026-01-05T13:40:00Z"
                          }
                        }
                      }
                    ]
                  }
`);
    expect(code).toBe(0);
  });

  test('shows params as places with their patterns, and as values where they are given', async () => {
    const cluster = holding([perCustomer]);
    const open = await run(['explain', 'agent'], { cluster });
    expect(open.out).toContain('{customer}: [a-z]+, at most 20 characters');
    expect(open.out).toContain('"arn:aws:s3:::acme-data/{customer}/*"');
    expect(open.out).not.toContain('a run now');
    const bound = await run(['explain', 'agent', '--param', 'customer=acme'], { cluster });
    expect(bound.out).toContain('"arn:aws:s3:::acme-data/acme/*"');
    expect(bound.out).toContain('a run now       allow');
  });

  test('says why a task is denied, and by which policy, and ends with 1', async () => {
    const listPolicies = () => Promise.resolve([policyResource(forbidding)]);
    const cluster = { ...holding([reading, perCustomer]), listPolicies };
    const { code, out } = await run(['explain', 'agent', '--task', 'invoice', '-o', 'json'], {
      cluster,
    });
    const { pods } = JSON.parse(out) as { pods: { tasks: object[] }[] };
    expect(pods[0]?.tasks).toMatchObject([
      {
        name: 'invoice',
        policy: { anyRun: { outcome: 'deny', policies: ['valetkey-starter/no-invoices'] } },
      },
    ]);
    expect(code).toBe(1);
  });

  test('tells what hangs on the moment from what holds for every run', async () => {
    const noon = 'permit (principal, action, resource) when { context.hour < 12 };';
    const listPolicies = () => Promise.resolve([policyResource(noon)]);
    const { code, out } = await run(['explain', 'agent'], {
      cluster: { ...holding([reading]), listPolicies },
    });
    expect(out).toContain('any run         undecided by valetkey-starter/0');
    expect(out).toContain('a run now       deny');
    expect(out).toContain('no policy permits it');
    expect(code).toBe(1);
  });

  test('names every rule that the pod breaks, and its tasks all the same', async () => {
    const broken = holding([reading], (pod) => ({ ...pod, spec: { ...pod.spec, hostPID: true } }));
    const { code, out } = await run(['explain', 'agent'], { cluster: broken });
    expect(out).toContain(
      'refused:\n  /spec/hostPID: expected false or nothing, got true (rule 3)',
    );
    expect(out).toContain('task summarize');
    expect(code).toBe(1);
  });

  test('names the Revocations in force that touch one of its tasks', async () => {
    const task = { namespace: 'default', serviceAccount: 'default', task: 'summarize' };
    const listRevocations = () =>
      Promise.resolve([
        revocationResource('stop', { task }),
        revocationResource('other', { task: { ...task, task: 'invoice' } }),
        revocationResource('over', { all: true, until: '2026-01-05T13:29:59Z' }),
      ]);
    const { code, out } = await run(['explain', 'agent'], {
      cluster: { ...holding([reading]), listRevocations },
    });
    expect(out).toContain(
      'refused:\n  revocation stop: expected none in force, got task default/default/summarize revoked by alice: "incident 42"\n\ntask',
    );
    expect(code).toBe(1);
  });

  test('of a pod that was made while no webhook ran says so', async () => {
    const readPod = () => Promise.resolve({ ...agentPod });
    const { code, out } = await run(['explain', 'agent'], { cluster: { readPod } });
    expect(out).toContain('(rule 2)');
    expect(out).toContain('note: it declares tasks that no admission fixed');
    expect(code).toBe(1);
  });

  test('under trust: cluster asks no policy', async () => {
    const cluster = holding([reading], undefined, platform);
    const { code, out } = await run(['explain', 'agent'], { cluster });
    expect(out).toContain('any run         no policy is asked');
    expect(out).not.toContain('grant for');
    expect(code).toBe(0);
  });

  test.each([
    [
      'a pod that is not there',
      ['explain', 'nobody'],
      'pod default/nobody: expected a pod, got none',
    ],
    [
      'a task that the pod has not',
      ['explain', 'agent', '--task', 'x'],
      'pod default/agent --task: expected one of its tasks: summarize, got x',
    ],
    [
      'a param that no task has',
      ['explain', 'agent', '--param', 'x=y'],
      'pod default/agent --param: expected params of its tasks: they have none, got x',
    ],
  ])('refuses %s', async (_, words, expected) => {
    const cluster = words[1] === 'nobody' ? {} : holding([reading]);
    expect(await run(words, { cluster })).toMatchObject({ code: 1, error: `${expected}\n` });
  });

  test('says which value does not fit, and ends with 1', async () => {
    const { code, out } = await run(['explain', 'agent', '--param', 'customer=ACME'], {
      cluster: holding([perCustomer]),
    });
    expect(out).toContain('task invoice params.customer: expected text that matches [a-z]+');
    expect(code).toBe(1);
  });
});

const manifest = `
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly, namespace: research}
spec:
  jobTemplate:
    spec:
      template:
        metadata:
          annotations:
            task.valetkey.dev/summarize: |
              role: arn:aws:iam::111122223333:role/agent-reports
              allow: [{actions: [s3:getobject], resources: ["arn:aws:s3:::acme-data/reports/*"]}]
              lifetime: 10m
        spec:
          serviceAccountName: reporter
          containers: [{name: agent, image: a, securityContext: {runAsNonRoot: true}}]
`;

describe('explain -f FILE', () => {
  test('explains what is not applied yet, as admission would read it', async () => {
    const { code, out } = await run(['explain', '-f', '-'], { files: { '-': manifest } });
    expect(out).toContain('pod research/CronJob/nightly, service account reporter');
    expect(out).toContain('keeps every rule');
    expect(out).toContain('"s3:GetObject"');
    expect(out).toContain('any run         allow by valetkey-starter/labelled-namespaces');
    expect(code).toBe(0);
  });

  test.each([
    [[], 'explain: expected the name of a pod, or -f FILE, got neither'],
    [['agent', '-f', 'x.yaml'], 'explain: expected the name of a pod, or -f FILE, got both'],
  ])('wants one of both: %j', async (words, expected) => {
    expect(await run(['explain', ...words])).toMatchObject({ code: 2, error: `${expected}\n` });
  });

  test('says that a file holds nothing of ours', async () => {
    const files = { 'x.yaml': 'kind: ConfigMap\nmetadata: {name: x}\n' };
    expect(await run(['explain', '-f', 'x.yaml'], { files })).toMatchObject({
      code: 1,
      error: 'x.yaml: expected a pod, or a template of one, that declares a task, got none\n',
    });
  });
});
