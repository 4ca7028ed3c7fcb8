import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';

import { KubernetesError } from '../../lib/edge/kubernetes/kubernetes-error.ts';
import { readFixture, PLATFORM, runCli } from './fixtures/cli-harness.ts';

const buildTask = (lines: string): string => `
    task.valetkey.dev/summarize: |
      role: arn:aws:iam::111122223333:role/agent-reports
${lines}`;
const good = buildTask(`      allow: [{actions: [s3:GetObject], resources: ["arn:aws:s3:::acme/*"]}]
      lifetime: 10m`);
const bad = buildTask(`      allow: [{actions: [s3:GetObjct], resources: ["arn:aws:s3:::acme/*"]}]
      lifetime: 3h`);
const buildPod = (annotations: string, spec = ''): string => `apiVersion: v1
kind: Pod
metadata:
  name: agent
  annotations:${annotations}
spec:
  securityContext: {runAsNonRoot: true}
  containers: [{name: agent, image: a}]
${spec}`;
const buildDeployment = (spec: string): string => `apiVersion: apps/v1
kind: Deployment
metadata: {name: agents, namespace: research}
spec:
  template:
    metadata: {annotations: {task.valetkey.dev/read: '${ONE_LINE}'}}
    spec: ${spec}
`;
const ONE_LINE =
  '{role: "arn:aws:iam::111122223333:role/r", lifetime: 10m, allow: [{actions: [s3:GetObject], resources: ["arn:aws:s3:::acme/*"]}]}';
const buildPolicy = (cedar: string): string => `apiVersion: valetkey.dev/v1alpha1
kind: TaskPolicy
metadata: {name: research}
spec:
${cedar}`;

type SarifLog = {
  readonly version: string;
  readonly runs: readonly {
    readonly tool: { readonly driver: { readonly rules: readonly { readonly id: string }[] } };
    readonly results: readonly { readonly ruleId: string; readonly ruleIndex: number }[];
  }[];
};

const runLintOn = (files: Readonly<Record<string, string>>, words: readonly string[] = []) =>
  runCli(['lint', '--platform', 'platform.yaml', ...words, ...Object.keys(files)], {
    files: { 'platform.yaml': PLATFORM, ...files },
    cluster: undefined as never,
  });

describe('lint', () => {
  it('exits with 0 for valid files without a request to the cluster', async () => {
    const files = {
      'pod.yaml': buildPod(good),
      'policy.yaml': buildPolicy('  cedar: permit (principal, action, resource);'),
      'other.yaml': 'kind: ConfigMap\nmetadata: {name: x}\n---\n',
    };
    const { code, out, opened } = await runLintOn(files);
    expect(out).toMatch(
      /^pod\.yaml:1:1: document 1, Pod agent: warning: container agent: .*\nnamespace default: level restricted, labels unknown: checked as if there were none\npolicy: not evaluated; give the TaskPolicies with --policy\nobjects checked: 2, without tasks: 1, faults: 0, warnings: 1\n$/,
    );
    expect([code, opened]).toEqual([0, []]);
  });

  it('exits with 1 for a warning with --failure-threshold warning', async () => {
    const words = ['--failure-threshold', 'warning'];
    const { code, out } = await runLintOn({ 'pod.yaml': buildPod(good) }, words);
    expect(out).toContain('faults: 0, warnings: 1\n');
    expect(code).toBe(1);
    expect((await runLintOn({ 'x.yaml': 'kind: ConfigMap' }, words)).code).toBe(0);
  });

  it('reports the file, document, object and path of each error in a declaration', async () => {
    const text = `kind: ConfigMap\n---\n${buildPod(bad)}`;
    const { code, out } = await runLintOn({ 'pod.yaml': text });
    const place = 'document 2, Pod agent: task.valetkey.dev/summarize';
    expect(out).toContain(`pod.yaml:10:26: ${place} allow[0].actions[0]: expected`);
    expect(out).toContain('got "s3:GetObjct"');
    expect(out).toContain(`pod.yaml:11:7: ${place} lifetime: expected`);
    expect(code).toBe(1);
  });

  it('shows findings and the counts in colors on a terminal alone', async () => {
    const files = {
      'platform.yaml': PLATFORM,
      'pod.yaml': `${buildPod(good)}---\n${buildPod(bad)}`,
    };
    const words = ['lint', '--platform', 'platform.yaml', 'pod.yaml'];
    const { out } = await runCli(words, { files, hasColor: true });
    const lines = out.split('\n');
    expect(lines.find((line) => line.includes('s3:GetObjct'))).toMatch(/^\u001b\[31m.*\u001b\[0m$/);
    expect(lines.find((line) => line.includes('warning: '))).toMatch(/^\u001b\[33m/);
    expect(lines.find((line) => line.includes('objects checked'))).toMatch(/^\u001b\[31m/);
    expect((await runCli(words, { files })).out).not.toContain('\u001b');
  });

  it('reads keys without a value as absent, as Helm writes them', async () => {
    const spec = '  nodeSelector:\n  volumes:\n  initContainers:\n  hostAliases:\n  resources:\n';
    const { code, out } = await runLintOn({ 'pod.yaml': buildPod(`${good}\n  labels:`, spec) });
    expect(out).toContain('faults: 0');
    expect(code).toBe(0);
  });

  it('names the setting of the controller that adds a container', async () => {
    const spec = `{initContainers: [{name: place-scripts, image: busybox}],
      containers: [{name: agent, image: a, securityContext: {runAsNonRoot: true}}]}`;
    const { out } = await runLintOn({ 'd.yaml': buildDeployment(spec) });
    expect(out).toContain('(rule 4): Tekton adds place-scripts; its setting: set-security-context');
  });

  it('reports violated rules with the paths of the manifest', async () => {
    const spec = `{hostNetwork: true, initContainers: [{name: prepare, image: p, securityContext: {privileged: true, runAsNonRoot: true}}],
      containers: [{name: agent, image: a, securityContext: {runAsNonRoot: true}}]}`;
    const { out, code } = await runLintOn({ 'd.yaml': buildDeployment(spec) });
    const place = 'document 1, Deployment research/agents: /spec/template/spec';
    expect(out).toContain(
      `d.yaml:7:12: ${place}/hostNetwork: expected false or nothing, got true (rule 3)`,
    );
    expect(out).toContain(
      `d.yaml:7:92: ${place}/initContainers/0/securityContext/privileged: expected`,
    );
    expect(code).toBe(1);
  });

  it('reports violated rules besides an invalid declaration, without consequential errors', async () => {
    const { out } = await runLintOn({ 'pod.yaml': buildPod(bad, '  hostPID: true\n') });
    expect(out).toContain('/spec/hostPID: expected false or nothing, got true (rule 3)');
    expect(out).toContain('faults: 3');
  });

  it('rejects reserved labels', async () => {
    const label = good.replace('\n    task', '\n    valetkey.dev/other: x\n    task');
    const { out } = await runLintOn({ 'pod.yaml': buildPod(label) });
    expect(out).toContain('(rule 1)');
  });

  it.each([
    [
      'a block',
      '  cedar: |\n    permit (principal, action, resource)\n      when { context.rol == "x" };',
      'p.yaml:7:14: ',
    ],
    [
      'a block that starts with an empty line',
      '  cedar: |-\n\n    permit (principal, action, resource)\n      when { context.rol == "x" };',
      'p.yaml:8:14: ',
    ],
    [
      'a quoted text',
      '  cedar: "permit (principal, action, resource) when { context.rol == 1 };"',
      'p.yaml:5:3: ',
    ],
  ])('reports the position of a Cedar error in %s', async (_, cedar, expected) => {
    const { out, code } = await runLintOn({ 'p.yaml': buildPolicy(cedar) });
    expect(out).toContain(`${expected}document 1, TaskPolicy research: line `);
    expect(out).toContain('attribute `rol`');
    expect(code).toBe(1);
  });

  it('reports the position of a Cedar error in an item of a list', async () => {
    const indented = buildPolicy('  cedar: |\n    nonsense').split('\n').join('\n    ');
    const { out } = await runLintOn({ 'l.yaml': `kind: List\nitems:\n  - ${indented}\n` });
    expect(out).toMatch(/^l\.yaml:8:\d+: document 1, TaskPolicy research: line 1, column \d+: /);
  });

  it.each([
    ['no Cedar', buildPolicy('  cedar: 1'), 'spec.cedar: expected Cedar policies, got 1'],
    [
      'another version',
      buildPolicy('  cedar: x').replace('v1alpha1', 'v9'),
      'apiVersion: expected valetkey.dev/v1alpha1, got "valetkey.dev/v9"',
    ],
    ['invalid YAML', 'a: [b', 'x.yaml:1:6: document 1, document: (document): expected YAML'],
    ['an invalid pod', 'kind: Pod\nspec: []\n', '/spec: expected a mapping, got []'],
  ])('reports %s', async (_, text, expected) => {
    const { out, code } = await runLintOn({ 'x.yaml': text });
    expect(out).toContain(expected);
    expect(code).toBe(1);
  });

  it('prints the same findings as JSON', async () => {
    const { out } = await runLintOn({ 'p.yaml': buildPolicy('  cedar: |\n    x') }, ['-o', 'json']);
    expect(JSON.parse(out)).toMatchObject({
      checked: 1,
      faults: 1,
      findings: [
        { severity: 'fault', file: 'p.yaml', document: 1, object: 'TaskPolicy research', line: 6 },
      ],
    });
  });

  it('prints the same findings as YAML', async () => {
    const { out } = await runLintOn({ 'p.yaml': buildPolicy('  cedar: |\n    x') }, ['-o', 'yaml']);
    expect(parse(out)).toMatchObject({
      checked: 1,
      findings: [{ code: 'task_policy_invalid', file: 'p.yaml', line: 6 }],
    });
  });

  it.each([
    ['manifest_unreadable', 'a: [b'],
    ['tasks_invalid', buildPod(bad)],
    ['pod_noncompliant', buildPod(good, '  hostPID: true\n')],
    ['task_policy_invalid', buildPolicy('  cedar: |\n    x')],
  ])('prints %s as SARIF with its place and a stable code', async (code, text) => {
    const result = await runLintOn({ 'my file.yaml': text }, ['-o', 'sarif']);
    expect(result.code).toBe(1);
    const log = JSON.parse(result.out) as SarifLog;
    expect(log.version).toBe('2.1.0');
    const [run] = log.runs;
    const found = run?.results.find(({ ruleId }) => ruleId === code);
    expect(run?.tool.driver.rules[found?.ruleIndex ?? -1]?.id).toBe(code);
    expect(found).toMatchObject({
      level: 'error',
      locations: [
        {
          physicalLocation: {
            artifactLocation: { uri: 'my%20file.yaml' },
            region: { startLine: expect.any(Number) },
          },
        },
      ],
    });
  });

  it('gives a task that policy denies a code of its own', async () => {
    const policy = buildPolicy('  cedar: permit (principal, action, resource) when { false };');
    const namespace =
      'apiVersion: v1\nkind: Namespace\nmetadata: {name: default, labels: {team: a}}\n';
    const files = { 'pod.yaml': buildPod(good), 'policy.yaml': policy, 'ns.yaml': namespace };
    const { out } = await runLintOn(files, ['--policy', 'policy.yaml', '-o', 'json']);
    expect(out).toContain('"code": "policy_denied"');
  });

  it('checks tasks against the Upstreams of the files, and the Upstreams themselves', async () => {
    const upstream = (spec: string) =>
      `apiVersion: valetkey.dev/v1alpha1\nkind: Upstream\nmetadata: {name: code}\nspec: ${spec}\n`;
    const code = upstream(
      '{url: "https://code.example.com", protocol: git, present: {basic: {username: x}}, secret: {kubernetes: {name: a, key: b}}}',
    );
    const fetching = `\n    task.valetkey.dev/code: |\n      {provider: http, role: cod, lifetime: 10m, allow: [{actions: [git:fetch], resources: ['git://cod/a/b']}]}`;
    const files = {
      'pod.yaml': buildPod(fetching),
      'policy.yaml': buildPolicy('  cedar: permit (principal, action, resource);'),
      'ns.yaml': 'apiVersion: v1\nkind: Namespace\nmetadata: {name: default}\n',
    };
    const words = ['--policy', 'policy.yaml'];
    const known = await runLintOn({ ...files, 'upstream.yaml': code }, words);
    expect(known.out).toContain(
      'role: expected the name of an Upstream of this cluster; the nearest is code, got "cod"',
    );
    const info =
      'Upstream code: enforced by the gateway; revocable no: the secret stays valid when a run ends; pinned: -\n';
    expect(known.out.split(info)).toHaveLength(2);
    const unknown = await runLintOn(files, words);
    expect(unknown.out).toContain('the Upstreams of the cluster are unknown');
    const broken = await runLintOn({ 'upstream.yaml': upstream('{url: "http://x"}') }, [
      '-o',
      'json',
    ]);
    expect(JSON.parse(broken.out)).toMatchObject({
      findings: [{ code: 'upstream_invalid' }, { code: 'upstream_invalid' }],
    });
    expect([known.code, unknown.code, broken.code]).toEqual([1, 0, 1]);
  });

  it('says of the Upstreams of tasks what the end of a run revokes, and what is pinned', async () => {
    const present = { header: { name: 'authorization', template: 'Bearer {secret}' } };
    const vault = { vault: { address: 'https://vault.example', mount: 'jwt', role: 'agents' } };
    const url = 'https://api.example';
    const spec = { url, present, secret: vault, models: ['gpt-x', 'gpt-y'] };
    const task = { provider: 'http', role: 'model', lifetime: '10m' };
    const allow = [{ actions: ['http:POST'], resources: [`${url}/v1/chat`] }];
    const annotation = `\n    task.valetkey.dev/chat: |\n      ${JSON.stringify({ ...task, allow })}`;
    const { out } = await runCli(['lint', 'pod.yaml', '--context', 'prod', '-o', 'json'], {
      files: { 'pod.yaml': buildPod(annotation) },
      cluster: {
        listUpstreams: () => Promise.resolve([{ metadata: { name: 'model' }, spec }] as never),
      },
    });
    expect(JSON.parse(out)).toMatchObject({
      upstreams: [{ name: 'model', revocable: 'token', pinned: ['model gpt-x', 'model gpt-y'] }],
    });
  });

  it('reads the settings from the cluster by default', async () => {
    const { code, opened } = await runCli(['lint', 'pod.yaml', '--context', 'prod'], {
      files: { 'pod.yaml': buildPod(good) },
    });
    expect(opened).toMatchObject([{ context: 'prod', installedIn: 'valetkey' }]);
    expect(code).toBe(0);
  });

  it('reads the settings from a ConfigMap file as kubectl prints it', async () => {
    const map = `kind: ConfigMap\ndata:\n  platform.yaml: |\n${PLATFORM.replaceAll(/^/gm, '    ')}`;
    const files = { 'cm.yaml': map, 'pod.yaml': buildPod(good) };
    expect(await runCli(['lint', '--platform', 'cm.yaml', 'pod.yaml'], { files })).toMatchObject({
      code: 0,
    });
  });

  it('rejects a missing file and invalid settings as usage errors', async () => {
    expect(await runLintOn({ 'pod.yaml': buildPod(good) }, ['gone.yaml'])).toMatchObject({
      code: 2,
      error: '"gone.yaml": expected a readable file, got ENOENT\n',
    });
    const files = { 'pod.yaml': buildPod(good), 'platform.yaml': 'trust: invalid' };
    const { code, error } = await runCli(['lint', '--platform', 'platform.yaml', 'pod.yaml'], {
      files,
    });
    expect(error).toContain('platform.yaml trust: expected one of authority, cluster');
    expect(code).toBe(2);
  });

  it("accepts the settings file of the platform parser's tests", async () => {
    const files = {
      'p.yaml': readFixture('lib/config/fixtures/platform.yaml'),
      'pod.yaml': buildPod(good),
    };
    expect(await runCli(['lint', '--platform', 'p.yaml', 'pod.yaml'], { files })).toMatchObject({
      code: 0,
    });
  });
});

const given = `${PLATFORM}pods:
  baselineNamespaces: [legacy]
  ruleExemptions: [{namespace: research, rule: "3"}]
`;
const buildNamespace = (name: string, mode: string): string =>
  `---\napiVersion: v1\nkind: Namespace\nmetadata: {name: ${name}, labels: {valetkey.dev/mode: ${mode}}}\n`;
const keyed = buildDeployment(
  '{containers: [{name: agent, image: a, securityContext: {runAsNonRoot: true}, env: [{name: AWS_ACCESS_KEY_ID, value: x}]}]}',
);

describe('lint with namespace settings', () => {
  const offline = (files: Readonly<Record<string, string>>, ...words: readonly string[]) =>
    runLintOn({ 'platform.yaml': given, ...files }, words);

  it('reports an exempted violation as a warning with the path of the manifest', async () => {
    const host = buildDeployment(
      '{hostNetwork: true, containers: [{name: agent, image: a, securityContext: {runAsNonRoot: true}}]}',
    );
    const { code, out } = await offline({ 'd.yaml': host });
    expect(out).toContain(
      'd.yaml:7:12: document 1, Deployment research/agents: warning: exempted by the platform: /spec/template/spec/hostNetwork: expected false or nothing, got true (rule 3)\n',
    );
    expect(out).toContain(
      'namespace research: level restricted, exempted from rules 3, labels unknown',
    );
    expect(code).toBe(0);
    const elsewhere = host.replace('namespace: research', 'namespace: sales');
    expect((await offline({ 'd.yaml': elsewhere })).code).toBe(1);
  });

  it('allows root containers under level baseline in the namespace of -n', async () => {
    const root = buildPod(good).replace('  securityContext: {runAsNonRoot: true}\n', '');
    expect((await offline({ 'p.yaml': root })).out).toContain('(rule 4)');
    const { code, out } = await offline({ 'p.yaml': root }, '-n', 'legacy');
    expect(out).toContain('namespace legacy: level baseline, labels unknown');
    expect(code).toBe(0);
  });

  it.each([
    ['beside the pod', { 'd.yaml': `${keyed}${buildNamespace('research', 'warn')}` }],
    ['in another file', { 'd.yaml': keyed, 'n.yaml': buildNamespace('research', 'warn') }],
  ])(
    'reports violations of rule 7 as warnings if a Namespace %s has migration mode',
    async (_, files) => {
      const { code, out } = await offline(files);
      expect(out).toContain('warning: refused once valetkey.dev/mode is no longer warn: /spec/');
      expect(out).toContain('valetkey.dev/mode=warn, labels from the files');
      expect(code).toBe(0);
    },
  );

  it.each([
    ['of another name', `${keyed}${buildNamespace('sales', 'warn')}`],
    ['in enforce mode', `${keyed}${buildNamespace('research', 'enforce')}`],
  ])('reports violations of rule 7 as errors with a Namespace %s', async (_, text) => {
    const { code, out } = await offline({ 'd.yaml': text });
    expect(out).toContain('(rule 7)');
    expect(code).toBe(1);
  });

  it("uses the cluster's labels if the files contain no Namespace", async () => {
    const labels = { 'valetkey.dev/mode': 'warn', 'valetkey.dev/tasks': 'allowed' };
    const readNamespaceLabels = (name: string) =>
      Promise.resolve(name === 'research' ? labels : undefined);
    const cluster = { readNamespaceLabels };
    const warned = await runCli(['lint', 'd.yaml'], { files: { 'd.yaml': keyed }, cluster });
    expect(warned.out).toContain('valetkey.dev/mode=warn, labels from the cluster');
    expect(warned.code).toBe(0);
    const files = { 'd.yaml': `${keyed}${buildNamespace('research', 'enforce')}` };
    expect((await runCli(['lint', 'd.yaml'], { files, cluster })).out).toContain('(rule 7)');
  });

  it('reports a service account that another mechanism binds, from a file or from the cluster', async () => {
    const account = `---
apiVersion: v1
kind: ServiceAccount
metadata: {name: default, namespace: research, annotations: {eks.amazonaws.com/role-arn: x}}
`;
    const plain = buildDeployment(
      '{containers: [{name: agent, image: a, securityContext: {runAsNonRoot: true}}]}',
    );
    const place =
      'ServiceAccount research/default /metadata/annotations/eks.amazonaws.com~1role-arn';
    expect((await offline({ 'd.yaml': `${plain}${account}` })).out).toContain(place);
    expect((await offline({ 'd.yaml': plain })).code).toBe(0);
    const readServiceAccount = () => Promise.resolve({ 'eks.amazonaws.com/role-arn': 'x' });
    const files = { 'd.yaml': plain };
    const { code, out } = await runCli(['lint', 'd.yaml'], {
      files,
      cluster: { readServiceAccount },
    });
    expect(out).toContain(place);
    expect(code).toBe(1);
  });

  it('prints the namespace settings as JSON', async () => {
    const { out } = await offline({ 'd.yaml': keyed }, '-o', 'json');
    expect(JSON.parse(out)).toMatchObject({
      namespaces: [
        {
          ...{ namespace: 'research', level: 'restricted', exemptions: ['3'] },
          ...{ isMigrating: false, labelsFrom: 'unknown' },
        },
      ],
    });
  });
});

const indent = (text: string, spaces: number): string =>
  text.replaceAll(/^(?=.)/gm, ' '.repeat(spaces));
const TEMPLATE = `metadata:
  annotations:
    task.valetkey.dev/summarize: |
      role: arn:aws:iam::111122223333:role/agent-reports
      allow: [{actions: [s3:GetObject], resources: ["arn:aws:s3:::acme/*"]}]
      lifetime: 3h
spec:
  containers: [{name: agent, image: a, securityContext: {runAsNonRoot: true}}]
`;
const buildObject = (kind: string, lines: string): string =>
  `apiVersion: example.org/v1\nkind: ${kind}\nmetadata: {name: x}\n${lines}`;

describe('lint of pods in any object', () => {
  it.each([
    ['Rollout', '/spec/template', `spec:\n  template:\n${indent(TEMPLATE, 4)}`],
    ['PodTemplate', '/template', `template:\n${indent(TEMPLATE, 2)}`],
    ['ReplicationController', '/spec/template', `spec:\n  template:\n${indent(TEMPLATE, 4)}`],
    ['Sandbox', '/spec/podTemplate', `spec:\n  podTemplate:\n${indent(TEMPLATE, 4)}`],
    [
      'RayCluster',
      '/spec/workerGroupSpecs/0/template',
      `spec:\n  workerGroupSpecs:\n    - template:\n${indent(TEMPLATE, 8)}`,
    ],
  ])('checks the pod template of a %s', async (kind, at, lines) => {
    const privileged = lines.replace('{runAsNonRoot: true}', '{privileged: true}');
    const { code, out } = await runLintOn({ 'x.yaml': buildObject(kind, privileged) });
    expect(out).toMatch(
      /^x\.yaml:\d+:\d+: document 1, \w+ x: task\.valetkey\.dev\/summarize lifetime: expected/m,
    );
    expect(out).toContain(`${at}/spec/containers/0/securityContext/privileged: expected`);
    expect(out).toContain('objects checked: 1, without tasks: 0');
    expect(code).toBe(1);
  });

  it.each([
    [
      'a SparkApplication, which has no pod template',
      buildObject(
        'SparkApplication',
        `spec:\n  driver:\n    annotations:${bad.replaceAll('\n', '\n  ')}`,
      ),
      'x.yaml:7:7: document 1, SparkApplication x: /spec/driver/annotations/task.valetkey.dev~1summarize: ',
    ],
    [
      'the metadata of a Workflow',
      buildObject('Workflow', "spec: {podMetadata: {annotations: {task.valetkey.dev/read: ''}}}"),
      'x.yaml:4:36: document 1, Workflow x: /spec/podMetadata/annotations/task.valetkey.dev~1read: ',
    ],
    [
      'a Deployment beside its template',
      `kind: Deployment\nmetadata: {name: x, annotations: {task.valetkey.dev/read: ''}}\nspec: {template: {spec: {containers: []}}}`,
      'x.yaml:2:35: document 1, Deployment x: /metadata/annotations/task.valetkey.dev~1read: ',
    ],
    [
      'the labels of a pod',
      `kind: Pod\nmetadata: {name: x, labels: {task.valetkey.dev/read: ''}}\nspec: {containers: []}`,
      'x.yaml:2:30: document 1, Pod x: /metadata/labels/task.valetkey.dev~1read: ',
    ],
  ])('exits with 1 for a declaration in %s', async (_, text, expected) => {
    const { code, out } = await runLintOn({ 'x.yaml': text });
    expect(out).toContain(`${expected}expected a declaration in metadata.annotations beside`);
    expect(out).toContain('objects checked: 1');
    expect(code).toBe(1);
  });

  it('warns about a declaration inside a text, but not about the copy that kubectl apply makes', async () => {
    const text = `kind: ConfigMap\nmetadata: {name: x}\ndata:\n  pod.yaml: 'task.valetkey.dev/read: x'`;
    const { code, out } = await runLintOn({ 'x.yaml': text });
    expect(out).toContain('x.yaml:4:3: document 1, ConfigMap x: warning: /data/pod.yaml: expected');
    expect(code).toBe(0);
    const applied = `kind: Pod\nmetadata: {name: x, annotations: {kubectl.kubernetes.io/last-applied-configuration: 'task.valetkey.dev/read'}}\nspec: {containers: []}`;
    expect((await runLintOn({ 'x.yaml': applied })).out).toContain(
      'objects checked: 0, without tasks: 1',
    );
  });

  it.each([
    ['a pod', buildPod(good.replace('task.', 'tasks.'))],
    ['a template', buildDeployment('{containers: []}').replace('task.', 'tasks.')],
  ])('warns about an annotation of %s that misses the prefix', async (_, text) => {
    const { code, out } = await runLintOn({ 'x.yaml': text });
    expect(out).toMatch(/warning: annotation tasks\.valetkey\.dev\/\w+ declares no task: did you/);
    expect(out).toContain('objects checked: 1');
    expect(code).toBe(0);
  });

  it('finds the line of a declaration in an item of a list', async () => {
    const item = indent(buildObject('Sandbox', `spec:\n  podTemplate:\n${indent(TEMPLATE, 4)}`), 4);
    const { out } = await runLintOn({ 'l.yaml': `kind: List\nitems:\n  -\n${item}` });
    expect(out).toContain(
      'l.yaml:14:15: document 1, Sandbox x: task.valetkey.dev/summarize lifetime',
    );
  });

  it('reads the manifests of a folder', async () => {
    const files = { 'd/a.yaml': buildPod(bad), 'd/b/c.yaml': buildPod(bad), 'p.yaml': PLATFORM };
    const { out } = await runCli(['lint', '--platform', 'p.yaml', 'd'], { files });
    expect(out).toContain('d/a.yaml:8:');
    expect(out).toContain('d/b/c.yaml:8:');
    expect(out).toContain('objects checked: 2');
  });

  it("wraps lines at the terminal's width, and only there", async () => {
    const files = { 'p.yaml': PLATFORM, 'x.yaml': buildPod(bad) };
    const words = ['lint', '--platform', 'p.yaml', 'x.yaml'];
    const wrapped = await runCli(words, { files, columns: 70 });
    const whole = await runCli(words, { files });
    expect(Math.max(...wrapped.out.split('\n').map((line) => line.length))).toBeLessThanOrEqual(70);
    expect(wrapped.out.replaceAll(/\n {4}/g, ' ')).toBe(whole.out);
  });
});

describe('lint without settings', () => {
  const files = { 'x.yaml': buildPod(good) };
  const failWith = (error: Error) => () => Promise.reject(error);
  const unreachable = new KubernetesError('unavailable', 'get configmap', {
    reason: 'ECONNREFUSED',
  });

  it.each([
    [
      'no cluster answers',
      { readConfigMap: failWith(unreachable) },
      'no cluster answers (get configmap: unavailable (ECONNREFUSED))',
    ],
    [
      'Valetkey is not installed',
      { readConfigMap: () => Promise.resolve(undefined) },
      'Valetkey is not installed in the cluster',
    ],
  ])("uses the chart's defaults if %s, and says so", async (_, cluster, why) => {
    const { code, out } = await runCli(['lint', 'x.yaml'], { files, cluster });
    expect(out).toContain(
      `settings: the chart's defaults, because ${why}; give your own with --platform\n`,
    );
    expect(code).toBe(0);
  });

  it("uses the chart's defaults with --offline without a request", async () => {
    const { code, out, opened } = await runCli(['lint', '--offline', 'x.yaml'], { files });
    expect(out).toContain("settings: the chart's defaults, as --offline requests");
    expect([code, opened]).toEqual([0, []]);
  });

  it('exits with 3 if the cluster that the user names does not answer', async () => {
    const cluster = { readConfigMap: failWith(unreachable) };
    expect(await runCli(['lint', 'x.yaml', '--context', 'prod'], { files, cluster })).toMatchObject(
      { code: 3, out: '' },
    );
  });

  it('exits with 1 if the settings of the cluster are invalid', async () => {
    expect(await runCli(['lint', 'x.yaml'], { files, platform: 'trust: x' })).toMatchObject({
      code: 1,
      out: '',
    });
  });
});

describe('lint and policy', () => {
  const deny = buildPolicy('  cedar: forbid (principal, action, resource);');
  const pod = buildPod(good);
  const named = (labels: string): string =>
    `${pod}---\napiVersion: v1\nkind: Namespace\nmetadata: {name: default, labels: {${labels}}}\n`;

  it("reports what the cluster's policies deny, and the label that the starter policy requires", async () => {
    const cluster = { readNamespaceLabels: () => Promise.resolve({}) };
    const { code, out } = await runCli(['lint', 'x.yaml'], { files: { 'x.yaml': pod }, cluster });
    expect(out).toContain('(policy): expected what TaskPolicies permit');
    expect(out).toContain('warning: namespace default has no label valetkey.dev/tasks=allowed');
    expect(code).toBe(1);
    const labeled = await runCli(['lint', 'x.yaml'], { files: { 'x.yaml': pod } });
    expect(labeled.code).toBe(0);
  });

  it('reports what the policies of --policy deny, offline', async () => {
    const files = { 'p/deny.yaml': deny, 'x.yaml': named('a: b'), 'platform.yaml': PLATFORM };
    const words = ['lint', '--platform', 'platform.yaml', '--policy', 'p', 'x.yaml'];
    const { code, out } = await runCli(words, { files });
    expect(out).toContain('forbidden by research/');
    expect(out).not.toContain('not evaluated');
    expect(code).toBe(1);
  });

  it("evaluates the cluster's policies as they are after the files are applied", async () => {
    const files = { 'x.yaml': pod, 'deny.yaml': deny };
    expect((await runCli(['lint', 'x.yaml', 'deny.yaml'], { files })).out).toContain(
      'forbidden by research/',
    );
  });

  it('warns if the labels that policy needs are unknown', async () => {
    const files = { 'deny.yaml': deny, 'x.yaml': pod, 'p.yaml': PLATFORM };
    const { code, out } = await runCli(
      ['lint', '--platform', 'p.yaml', '--policy', 'deny.yaml', 'x.yaml'],
      { files },
    );
    expect(out).toContain(
      'warning: policy is not evaluated: the labels of namespace default are unknown',
    );
    expect(code).toBe(0);
  });

  it('warns offline about a Namespace without the label of the starter policy', async () => {
    const { out } = await runLintOn({ 'x.yaml': named('a: b') });
    expect(out).toContain('warning: namespace default has no label valetkey.dev/tasks=allowed');
    const labeled = await runLintOn({ 'x.yaml': named('valetkey.dev/tasks: allowed') });
    expect(labeled.out).not.toContain('has no label');
  });

  it('says why policy is not evaluated if the user may not list the TaskPolicies', async () => {
    const refused = new KubernetesError('refused', 'list taskpolicies', { reason: 'status 403' });
    const cluster = { listPolicies: () => Promise.reject(refused) };
    const { code, out } = await runCli(['lint', 'x.yaml'], { files: { 'x.yaml': pod }, cluster });
    expect(out).toContain('--policy (list taskpolicies: refused (status 403))\n');
    expect(code).toBe(0);
  });
});
