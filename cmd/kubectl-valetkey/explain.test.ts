import { describe, expect, it } from '@jest/globals';

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

/** Builds a cluster with a pod that is injected under `trust: authority` by default. */
const buildClusterWithPod = (
  tasks: readonly Task[],
  change: (pod: Pod) => Pod = (pod) => pod,
  under = authorityPlatform,
) => {
  const { hash, text } = buildInjectionTemplate(under, TRUST_BUNDLE);
  const pod = change(injectPod({ pod: agentPod, tasks, platform: under }));
  return {
    readPod: () =>
      Promise.resolve({ ...pod, status: { podIPs: [{ ip: '10.0.0.7' }, { ip: 'fd00::7' }] } }),
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
  it('shows the policy decisions, the deciding policies and the session policy', async () => {
    const { code, out, error } = await runCli(['explain', 'agent', '-n', 'research'], {
      cluster: buildClusterWithPod([reading]),
    });
    expect(error).toBe('');
    expect(out).toBe(`pod research/agent, service account default, trust: authority
namespace research: level restricted, labels from the cluster
Passes all rules

task summarize
  role            arn:aws:iam::111122223333:role/agent-reports
  consumers       agent
  delivery        vend: consumers get keys of the cloud
  lifetime        600 s
  subject         spiffe://prod.example/ns/research/sa/default/task/summarize
  any run         allow by valetkey-starter/labelled-namespaces
                  permitted by valetkey-starter/labelled-namespaces
  run now         allow by valetkey-starter/labelled-namespaces
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
                        "Action": "*",
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

  it('shows that the sidecar signs the requests of a task', async () => {
    const cluster = buildClusterWithPod([{ ...reading, delivery: 'sign' }]);
    const text = await runCli(['explain', 'agent', '-n', 'research'], { cluster });
    expect(text.out).toContain(
      '  delivery        sign: the sidecar signs requests; consumers get no keys of the cloud\n',
    );
    const json = await runCli(['explain', 'agent', '-n', 'research', '-o', 'json'], { cluster });
    expect(json.out).toContain('"delivery": "sign"');
    expect([text.code, json.code]).toEqual([0, 0]);
  });

  it('shows params as placeholders with patterns, or as the given values', async () => {
    const cluster = buildClusterWithPod([perCustomer]);
    const open = await runCli(['explain', 'agent'], { cluster });
    expect(open.out).toContain('{customer}: [a-z]+, at most 20 characters');
    expect(open.out).toContain('"arn:aws:s3:::acme-data/{customer}/*"');
    expect(open.out).not.toContain('run now');
    const bound = await runCli(['explain', 'agent', '--param', 'customer=acme'], { cluster });
    expect(bound.out).toContain('"arn:aws:s3:::acme-data/acme/*"');
    expect(bound.out).toContain('run now         allow');
  });

  it('says which actions open or issue what outlives the run', async () => {
    const connecting: Task = {
      ...reading,
      allow: [
        {
          actions: ['dsql:DbConnect'],
          resources: ['arn:aws:dsql:eu-central-1:111122223333:cluster/a'],
        },
        { actions: ['s3:GetObject'], resources: ['arn:aws:s3:::acme-data/reports/*'] },
      ],
    };
    const cluster = buildClusterWithPod([connecting]);
    const { out } = await runCli(['explain', 'agent'], { cluster });
    expect(out).toContain(
      '  outlives run    dsql:DbConnect opens a connection that outlives the run\n',
    );
    const { out: json } = await runCli(['explain', 'agent', '-o', 'json'], { cluster });
    const { pods } = JSON.parse(json) as { pods: { tasks: object[] }[] };
    expect(pods[0]?.tasks).toMatchObject([
      { outlivesRun: [{ action: 'dsql:DbConnect', mints: 'connection' }] },
    ]);
    const plain = await runCli(['explain', 'agent'], { cluster: buildClusterWithPod([reading]) });
    expect(plain.out).not.toContain('outlives run');
  });

  it('shows the policy that denies a task and exits with 1', async () => {
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

  it('separates the decision for any run from the decision for a run now', async () => {
    const noon = 'permit (principal, action, resource) when { context.hour < 12 };';
    const listPolicies = () => Promise.resolve([buildPolicyResource(noon)]);
    const { code, out } = await runCli(['explain', 'agent'], {
      cluster: { ...buildClusterWithPod([reading]), listPolicies },
    });
    expect(out).toContain('any run         undecided by valetkey-starter/0');
    expect(out).toContain('run now         deny');
    expect(out).toContain('no policy permits it');
    expect(code).toBe(1);
  });

  it('lists every violated rule and still shows the tasks', async () => {
    const broken = buildClusterWithPod([reading], (pod) => ({
      ...pod,
      spec: { ...pod.spec, hostPID: true },
    }));
    const { code, out } = await runCli(['explain', 'agent'], { cluster: broken });
    expect(out).toContain(
      'Refused:\n  /spec/hostPID: expected false or nothing, got true (rule 3)',
    );
    expect(out).toContain('task summarize');
    expect(code).toBe(1);
  });

  describe('with namespace settings', () => {
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

    it('shows a violation that the platform exempts as a note and exits with 0', async () => {
      const platformText = `${PLATFORM}pods: {ruleExemptions: [{namespace: research, rule: "3"}]}\n`;
      const readConfigMap = (name: string) =>
        name === 'valetkey-injection-templates'
          ? onHost.readConfigMap(name)
          : createHealthyCluster(platformText).readConfigMap(name);
      const { code, out } = await runCli(words, { cluster: { ...onHost, readConfigMap } });
      expect(out)
        .toContain(`namespace research: level restricted, exempted from rules 3, labels from the cluster
Passes all rules except exempted ones
note: rule 3 is violated: exempted by the platform
`);
      expect(code).toBe(0);
      expect((await runCli(words, { cluster: onHost })).code).toBe(1);
    });

    it('shows a violation of rule 7 as a note in migration mode', async () => {
      expect((await runCli(words, { cluster: keyed })).out).toContain('(rule 7)');
      const labels = { 'valetkey.dev/tasks': 'allowed', 'valetkey.dev/mode': 'warn' };
      const readNamespaceLabels = () => Promise.resolve(labels);
      const { code, out } = await runCli(words, { cluster: { ...keyed, readNamespaceLabels } });
      expect(out).toContain('valetkey.dev/mode=warn, labels from the cluster');
      expect(out).toContain('note: rule 7 is violated: refused once valetkey.dev/mode');
      expect(code).toBe(0);
    });

    it('reports a service account that another mechanism binds to a cloud role', async () => {
      const readServiceAccount = () => Promise.resolve({ 'eks.amazonaws.com/role-arn': 'x' });
      const { code, out } = await runCli(words, {
        cluster: { ...inResearch((pod) => pod), readServiceAccount },
      });
      expect(out).toContain('ServiceAccount research/default /metadata/annotations');
      expect(code).toBe(1);
    });
  });

  it('lists the Revocations in force that match one of the tasks', async () => {
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
      'Refused:\n  revocation stop: expected none in force, got task default/default/summarize revoked by alice: "incident 42"\n\ntask',
    );
    expect(code).toBe(1);
  });

  it('reports tasks of a pod that the webhook did not inject', async () => {
    const readPod = () => Promise.resolve({ ...agentPod });
    const { code, out } = await runCli(['explain', 'agent'], { cluster: { readPod } });
    expect(out).toContain('(rule 2)');
    expect(out).toContain('note: Tasks were not admitted: the webhook did not inject this pod');
    expect(code).toBe(1);
  });

  it('shows no task of another container with the sidecar’s name', async () => {
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
    expect(out).toContain('note: Tasks were not admitted: the webhook did not inject this pod');
    expect(out).not.toContain('task summarize\n');
    expect(code).toBe(1);
  });

  it('evaluates no policy under trust: cluster', async () => {
    const cluster = buildClusterWithPod([reading], undefined, platform);
    const { code, out } = await runCli(['explain', 'agent'], { cluster });
    expect(out).toContain('any run         not evaluated: trust is cluster');
    expect(out).not.toContain('subject');
    expect(code).toBe(0);
  });

  it.each([
    ['a missing pod', ['explain', 'missing'], 'pod default/missing: expected a pod, got none'],
    [
      'a task that the pod does not declare',
      ['explain', 'agent', '--task', 'x'],
      'pod default/agent --task: expected one of its tasks: summarize, got x',
    ],
    [
      'a param that no task declares',
      ['explain', 'agent', '--param', 'x=y'],
      'pod default/agent --param: expected params of its tasks: the tasks have none, got x',
    ],
  ])('rejects %s', async (_, words, expected) => {
    const cluster = words[1] === 'missing' ? {} : buildClusterWithPod([reading]);
    expect(await runCli(words, { cluster })).toMatchObject({ code: 1, error: `${expected}\n` });
  });

  it('reports a param value that does not match its pattern and exits with 1', async () => {
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
  it('explains a manifest that is not applied yet', async () => {
    const { code, out } = await runCli(['explain', '-f', '-'], { files: { '-': manifest } });
    expect(out).toContain('pod research/CronJob/nightly, service account reporter');
    expect(out).toContain('Passes all rules');
    expect(out).toContain('"s3:GetObject"');
    expect(out).toContain('any run         allow by valetkey-starter/labelled-namespaces');
    expect(code).toBe(0);
  });

  it.each([
    [[], 'explain: expected a pod name or -f FILE, got neither'],
    [['agent', '-f', 'x.yaml'], 'explain: expected a pod name or -f FILE, got both'],
  ])('rejects anything but one pod or one list of files: %j', async (words, expected) => {
    expect(await runCli(['explain', ...words])).toMatchObject({ code: 2, error: `${expected}\n` });
  });

  it('shows exempted violations as notes', async () => {
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
    expect(out).toContain('valetkey.dev/mode=warn, labels from the files');
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

    it('reads policies and namespaces from the files and sends no request', async () => {
      const files = { 'a.yaml': manifest, 'n.yaml': buildNamespace('allowed'), 'p.yaml': policy };
      const { code, out, opened } = await offline(files);
      expect(out).toContain('namespace research: level restricted, labels from the files');
      expect(out).toContain('any run         allow by starter/labelled-namespaces');
      expect([code, opened]).toEqual([0, []]);
      const denied = await offline({ ...files, 'n.yaml': buildNamespace('denied') });
      expect(denied.out).toContain('any run         deny');
      expect(denied.code).toBe(1);
    });

    it('reports unknown labels and policies', async () => {
      const { code, out } = await offline({ 'a.yaml': manifest });
      expect(out).toContain('labels unknown: checked as if there were none');
      expect(out).toContain('any run         not evaluated: the files contain no TaskPolicy');
      expect(out).toContain('"s3:GetObject"');
      expect(code).toBe(0);
    });

    it('requires -f with --platform', async () => {
      expect(await runCli(['explain', 'agent', '--platform', 'platform.yaml'])).toMatchObject({
        code: 2,
        error:
          '--platform: expected -f FILE, because a running pod is read from the cluster, got a pod name\n',
        opened: [],
      });
    });
  });

  it('rejects files without a pod that declares tasks', async () => {
    const files = { 'x.yaml': 'kind: ConfigMap\nmetadata: {name: x}\n' };
    expect(await runCli(['explain', '-f', 'x.yaml'], { files })).toMatchObject({
      code: 1,
      error: 'x.yaml: expected a pod or pod template that declares a task, got none\n',
    });
  });
});

describe('explain of tasks that name an Upstream', () => {
  const DIGEST = `sha256:${'a'.repeat(64)}`;
  const secret = { kubernetes: { name: 'key', key: 'token' } };
  const present = { header: { name: 'authorization', template: 'Bearer {secret}' } };
  const specs = {
    'model-api': { url: 'https://api.example.com', present, secret, models: ['gpt-x'] },
    code: {
      url: 'https://code.example.com',
      protocol: 'git',
      present: { basic: { username: 'x' } },
      secret: {
        githubApp: {
          ...{ appId: 1, installationId: 2, privateKey: { name: 'app', key: 'pem' } },
          permissions: { Read: { contents: 'read' }, Write: { contents: 'write' } },
        },
      },
    },
    wiki: {
      url: 'https://wiki.example.com/mcp',
      protocol: 'mcp',
      tools: [{ name: 'search', digest: DIGEST, level: 'Read' }],
    },
    orders: {
      postgres: {
        host: 'db.example.com',
        admin: { name: 'admin', key: 'login' },
        templates: [{ role: 'reader', level: 'Read' }],
      },
    },
  } as const;
  const listUpstreams = () =>
    Promise.resolve(
      Object.entries(specs).map(([name, spec]) => ({ metadata: { name }, spec })) as never,
    );
  const buildUpstreamTask = (
    role: string,
    [action, resource]: readonly [string, string],
    changes: Partial<Task> = {},
  ): Task => ({
    ...buildTask('call', ['agent']),
    ...{ provider: 'http', delivery: 'sign', role },
    allow: [{ actions: [action], resources: [resource] }],
    ...changes,
  });
  const explain = (task: Task, changes: object = {}) =>
    runCli(['explain', 'agent', '-n', 'research'], {
      cluster: { ...buildClusterWithPod([task]), listUpstreams, ...changes },
    });

  it.each([
    [
      buildUpstreamTask('model-api', ['http:POST', 'https://api.example.com/v1/chat']),
      ['model-api, protocol http', 'no: the secret stays valid', 'model gpt-x'],
    ],
    [
      buildUpstreamTask('code', ['git:push', 'git://code/acme/site#refs/heads/agent/*']),
      [
        'code, protocol git',
        'token: it is issued for each run and revoked',
        'enforcedBy      gateway',
      ],
    ],
    [
      buildUpstreamTask('wiki', ['mcp:tools/call', 'mcp://wiki/tools/search']),
      ['wiki, protocol mcp', 'no: the secret stays valid', `tool search ${DIGEST} (Read)`],
    ],
    [
      buildUpstreamTask('orders/reader', ['postgres:connect', 'postgres://orders/shop'], {
        provider: 'postgres',
      }),
      ['orders, protocol postgres', 'role: it is created for each run and dropped'],
    ],
  ])('shows the Upstream, what can be revoked and the decision of %j', async (task, expected) => {
    const { code, out, error } = await explain(task);
    expect(error).toBe('');
    for (const text of expected) expect(out).toContain(text);
    expect(out).toContain('any run         allow by valetkey-starter/labelled-namespaces');
    expect(code).toBe(0);
  });

  it('reports a task outside its Upstream as admission does', async () => {
    const task = buildUpstreamTask('code', ['http:GET', 'https://code.example.com/x']);
    const { code, out } = await explain(task);
    expect(out).toContain('any run         not evaluated: see problems');
    expect(out).toContain(
      'task call role: expected an Upstream of protocol http, as http:GET needs, got "code", whose protocol is git',
    );
    expect(code).toBe(1);
  });

  it('reads the Upstreams only for tasks that name one', async () => {
    const never = () => Promise.reject(new Error('not expected'));
    const { code } = await explain(reading, { listUpstreams: never });
    expect(code).toBe(0);
  });

  const pod = `apiVersion: v1
kind: Pod
metadata:
  name: agent
  namespace: research
  annotations:
    task.valetkey.dev/code: |
      {provider: http, role: code, lifetime: 10m, allow: [{actions: [git:fetch], resources: ['git://code/acme/site']}]}
spec:
  containers: [{name: agent, image: agent}]
`;
  const namespace = `---
apiVersion: v1
kind: Namespace
metadata: {name: research, labels: {valetkey.dev/tasks: allowed}}
---
apiVersion: valetkey.dev/v1alpha1
kind: TaskPolicy
metadata: {name: reads}
spec:
  cedar: |
    @id("fetches")
    permit (principal, action == Action::"run", resource) when { context.accessLevels == ["Read"] };
`;
  const upstream = `---
apiVersion: valetkey.dev/v1alpha1
kind: Upstream
metadata: {name: code}
spec: ${JSON.stringify(specs.code)}
`;

  it.each([
    [upstream, 'allow by reads/fetches'],
    ['', 'not evaluated: the files contain no Upstream'],
  ])('evaluates policy offline by the Upstreams of the files: %#', async (added, decision) => {
    const files = { 'a.yaml': `${pod}${namespace}${added}`, 'platform.yaml': PLATFORM };
    const { out } = await runCli(['explain', '-f', 'a.yaml', '--platform', 'platform.yaml'], {
      files,
    });
    expect(out).toContain(`any run         ${decision}`);
  });
});
