import { describe, expect, test } from '@jest/globals';

import type { Pod } from '../../lib/contract/pod.ts';
import type { Task } from '../../lib/contract/task.ts';
import {
  authorityPlatform,
  platform,
  TRUST_BUNDLE,
  buildTask,
} from '../../lib/injection/fixtures/sample-platform.ts';
import { agentPod, injectPod } from '../../lib/injection/fixtures/injected-pods.ts';
import { buildInjectionTemplate } from '../../lib/injection/injection-template.ts';
import { STARTER_POLICY } from '../../lib/policy/starter-policy.ts';
import {
  CLUSTER_PLATFORM,
  PLATFORM,
  buildPolicyResource,
  buildRevocationResource,
  runCli,
  createHealthyCluster,
} from './fixtures/cli-harness.ts';

const reading: Task = buildTask('summarize', ['agent']);
const perCustomer: Task = {
  ...buildTask('invoice', ['helper']),
  allow: [{ actions: ['s3:GetObject'], resources: ['arn:aws:s3:::acme-data/{customer}/*'] }],
  params: { customer: { pattern: '[a-z]+', maxLength: 20 } },
};

/** A cluster that holds this pod, injected under `trust: authority` unless told otherwise. */
const buildClusterWithPod = (
  tasks: readonly Task[],
  change: (pod: Pod) => Pod = (pod) => pod,
  under = authorityPlatform,
) => {
  const { hash, text } = buildInjectionTemplate(under, TRUST_BUNDLE);
  const pod = change(injectPod({ pod: agentPod, tasks, platform: under }));
  return {
    readPod: () => Promise.resolve({ ...pod, status: { podIP: '10.0.0.7' } }),
    readConfigMap: (name: string) =>
      name === 'valetkey-injection-templates'
        ? Promise.resolve({ [hash]: text })
        : createHealthyCluster(
            under.trust === 'cluster' ? CLUSTER_PLATFORM : undefined,
          ).readConfigMap(name),
  };
};

const forbidding = `@id("no-invoices")
forbid (principal, action == Action::"run", resource == Task::"invoice");`;

describe('explain POD', () => {
  test('says what policy decides, by which policies, and what the session policy will be', async () => {
    const { code, out, error } = await runCli(['explain', 'agent', '-n', 'research'], {
      cluster: buildClusterWithPod([reading]),
    });
    expect(error).toBe('');
    expect(out).toBe(`pod research/agent, service account default, trust: authority
namespace research: level restricted, labels as the cluster says
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
    const cluster = buildClusterWithPod([perCustomer]);
    const open = await runCli(['explain', 'agent'], { cluster });
    expect(open.out).toContain('{customer}: [a-z]+, at most 20 characters');
    expect(open.out).toContain('"arn:aws:s3:::acme-data/{customer}/*"');
    expect(open.out).not.toContain('a run now');
    const bound = await runCli(['explain', 'agent', '--param', 'customer=acme'], { cluster });
    expect(bound.out).toContain('"arn:aws:s3:::acme-data/acme/*"');
    expect(bound.out).toContain('a run now       allow');
  });

  test('says why a task is denied, and by which policy, and ends with 1', async () => {
    const listPolicies = () => Promise.resolve([buildPolicyResource(forbidding)]);
    const cluster = { ...buildClusterWithPod([reading, perCustomer]), listPolicies };
    const { code, out } = await runCli(['explain', 'agent', '--task', 'invoice', '-o', 'json'], {
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
    const listPolicies = () => Promise.resolve([buildPolicyResource(noon)]);
    const { code, out } = await runCli(['explain', 'agent'], {
      cluster: { ...buildClusterWithPod([reading]), listPolicies },
    });
    expect(out).toContain('any run         undecided by valetkey-starter/0');
    expect(out).toContain('a run now       deny');
    expect(out).toContain('no policy permits it');
    expect(code).toBe(1);
  });

  test('names every rule that the pod breaks, and its tasks all the same', async () => {
    const broken = buildClusterWithPod([reading], (pod) => ({
      ...pod,
      spec: { ...pod.spec, hostPID: true },
    }));
    const { code, out } = await runCli(['explain', 'agent'], { cluster: broken });
    expect(out).toContain(
      'refused:\n  /spec/hostPID: expected false or nothing, got true (rule 3)',
    );
    expect(out).toContain('task summarize');
    expect(code).toBe(1);
  });

  describe('what the platform gives its namespace', () => {
    const inResearch = (change: (pod: Pod) => Pod) =>
      buildClusterWithPod([reading], (pod) =>
        change({ ...pod, metadata: { ...pod.metadata, namespace: 'research' } }),
      );
    const onHost = inResearch((pod) => ({ ...pod, spec: { ...pod.spec, hostPID: true } }));
    const keyed = inResearch((pod) => {
      const staticKey = { name: 'AWS_ACCESS_KEY_ID', value: 'x' };
      const containers = (pod.spec?.containers ?? []).map((each) => ({
        ...each,
        env: [...(each.env ?? []), staticKey],
      }));
      return { ...pod, spec: { ...pod.spec, containers } };
    });
    const words = ['explain', 'agent', '-n', 'research'];

    test('an exemption is a note, and nothing wrong', async () => {
      const platformText = `${PLATFORM}pods: {ruleExemptions: [{namespace: research, rule: "3"}]}\n`;
      const readConfigMap = (name: string) =>
        name === 'valetkey-injection-templates'
          ? onHost.readConfigMap(name)
          : createHealthyCluster(platformText).readConfigMap(name);
      const { code, out } = await runCli(words, { cluster: { ...onHost, readConfigMap } });
      expect(out)
        .toContain(`namespace research: level restricted, exempted from rules 3, labels as the cluster says
keeps every rule but what is excused
note: rule 3 is broken: exempted by the platform
`);
      expect(code).toBe(0);
      expect((await runCli(words, { cluster: onHost })).code).toBe(1);
    });

    test('a namespace that migrates turns rule 7 into a note', async () => {
      expect((await runCli(words, { cluster: keyed })).out).toContain('(rule 7)');
      const labels = { 'valetkey.dev/tasks': 'allowed', 'valetkey.dev/mode': 'warn' };
      const readNamespaceLabels = () => Promise.resolve(labels);
      const { code, out } = await runCli(words, { cluster: { ...keyed, readNamespaceLabels } });
      expect(out).toContain('valetkey.dev/mode=warn, labels as the cluster says');
      expect(out).toContain('note: rule 7 is broken: refused once valetkey.dev/mode');
      expect(code).toBe(0);
    });

    test('an account that another mechanism binds is a breach', async () => {
      const readServiceAccount = () => Promise.resolve({ 'eks.amazonaws.com/role-arn': 'x' });
      const { code, out } = await runCli(words, {
        cluster: { ...inResearch((pod) => pod), readServiceAccount },
      });
      expect(out).toContain('ServiceAccount research/default /metadata/annotations');
      expect(code).toBe(1);
    });
  });

  test('names the Revocations in force that touch one of its tasks', async () => {
    const task = { namespace: 'default', serviceAccount: 'default', task: 'summarize' };
    const listRevocations = () =>
      Promise.resolve([
        buildRevocationResource('stop', { task }),
        buildRevocationResource('other', { task: { ...task, task: 'invoice' } }),
        buildRevocationResource('over', { all: true, until: '2026-01-05T13:29:59Z' }),
      ]);
    const { code, out } = await runCli(['explain', 'agent'], {
      cluster: { ...buildClusterWithPod([reading]), listRevocations },
    });
    expect(out).toContain(
      'refused:\n  revocation stop: expected none in force, got task default/default/summarize revoked by alice: "incident 42"\n\ntask',
    );
    expect(code).toBe(1);
  });

  test('of a pod that was made while no webhook ran says so', async () => {
    const readPod = () => Promise.resolve({ ...agentPod });
    const { code, out } = await runCli(['explain', 'agent'], { cluster: { readPod } });
    expect(out).toContain('(rule 2)');
    expect(out).toContain('note: it declares tasks that no admission fixed');
    expect(code).toBe(1);
  });

  test('shows no task that a container elsewhere carries by the sidecar’s name', async () => {
    const misplaced = ({ spec, ...pod }: Pod): Pod => {
      const isSidecar = ({ name }: { readonly name: string }) => name === 'valetkey-sidecar';
      const { initContainers = [], containers = [] } = spec ?? {};
      const sidecars = initContainers.filter(isSidecar);
      const others = initContainers.filter((each) => !isSidecar(each));
      const lists = { initContainers: others, containers: [...containers, ...sidecars] };
      return { ...pod, spec: { ...spec, ...lists } };
    };
    const { code, out } = await runCli(['explain', 'agent'], {
      cluster: buildClusterWithPod([reading], misplaced),
    });
    expect(out).toContain('note: it declares tasks that no admission fixed');
    expect(out).not.toContain('task summarize\n');
    expect(code).toBe(1);
  });

  test('under trust: cluster asks no policy', async () => {
    const cluster = buildClusterWithPod([reading], undefined, platform);
    const { code, out } = await runCli(['explain', 'agent'], { cluster });
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
    const cluster = words[1] === 'nobody' ? {} : buildClusterWithPod([reading]);
    expect(await runCli(words, { cluster })).toMatchObject({ code: 1, error: `${expected}\n` });
  });

  test('says which value does not fit, and ends with 1', async () => {
    const { code, out } = await runCli(['explain', 'agent', '--param', 'customer=ACME'], {
      cluster: buildClusterWithPod([perCustomer]),
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
    const { code, out } = await runCli(['explain', '-f', '-'], { files: { '-': manifest } });
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
    expect(await runCli(['explain', ...words])).toMatchObject({ code: 2, error: `${expected}\n` });
  });

  test('tells what is excused in its namespace as a note', async () => {
    const warning = `---
apiVersion: v1
kind: Namespace
metadata: {name: research, labels: {valetkey.dev/tasks: allowed, valetkey.dev/mode: warn}}
`;
    const keyed = manifest.replace(
      'image: a,',
      'image: a, env: [{name: AWS_ACCESS_KEY_ID, value: x}],',
    );
    expect((await runCli(['explain', '-f', '-'], { files: { '-': keyed } })).code).toBe(1);
    const files = { '-': `${keyed}${warning}` };
    const { code, out } = await runCli(['explain', '-f', '-'], { files });
    expect(out).toContain('valetkey.dev/mode=warn, labels as the files say');
    expect(out).toContain('note: refused once valetkey.dev/mode is no longer warn: /spec/');
    expect(code).toBe(0);
  });

  describe('without a cluster', () => {
    const buildNamespace = (value: string): string =>
      `apiVersion: v1\nkind: Namespace\nmetadata: {name: research, labels: {valetkey.dev/tasks: ${value}}}\n`;
    const policy = `apiVersion: valetkey.dev/v1alpha1
kind: TaskPolicy
metadata: {name: starter}
spec:
  cedar: |
    ${STARTER_POLICY.split('\n').join('\n    ')}
`;
    const offline = (files: Readonly<Record<string, string>>) => {
      const named = Object.keys(files).flatMap((file) => ['-f', file]);
      return runCli(['explain', ...named, '--platform', 'platform.yaml'], {
        files: { 'platform.yaml': PLATFORM, ...files },
      });
    };

    test('asks policies and namespaces of the files, and no API server', async () => {
      const files = { 'a.yaml': manifest, 'n.yaml': buildNamespace('allowed'), 'p.yaml': policy };
      const { code, out, opened } = await offline(files);
      expect(out).toContain('namespace research: level restricted, labels as the files say');
      expect(out).toContain('any run         allow by starter/labelled-namespaces');
      expect([code, opened]).toEqual([0, []]);
      const denied = await offline({ ...files, 'n.yaml': buildNamespace('denied') });
      expect(denied.out).toContain('any run         deny');
      expect(denied.code).toBe(1);
    });

    test('says what it does not know', async () => {
      const { code, out } = await offline({ 'a.yaml': manifest });
      expect(out).toContain('labels not known: judged as if it had none');
      expect(out).toContain('any run         not known: no TaskPolicy stands in the files');
      expect(out).toContain('"s3:GetObject"');
      expect(code).toBe(0);
    });

    test('wants a manifest: a live pod is the cluster’s', async () => {
      expect(await runCli(['explain', 'agent', '--platform', 'platform.yaml'])).toMatchObject({
        code: 2,
        error: "--platform: expected -f FILE beside it: a live pod is the cluster's, got a pod\n",
        opened: [],
      });
    });
  });

  test('says that a file holds nothing of ours', async () => {
    const files = { 'x.yaml': 'kind: ConfigMap\nmetadata: {name: x}\n' };
    expect(await runCli(['explain', '-f', 'x.yaml'], { files })).toMatchObject({
      code: 1,
      error: 'x.yaml: expected a pod, or a template of one, that declares a task, got none\n',
    });
  });
});
