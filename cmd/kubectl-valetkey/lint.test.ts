import { describe, expect, test } from '@jest/globals';

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

const runLintOn = (files: Readonly<Record<string, string>>, words: readonly string[] = []) =>
  runCli(['lint', '--platform', 'platform.yaml', ...words, ...Object.keys(files)], {
    files: { 'platform.yaml': PLATFORM, ...files },
    cluster: undefined as never,
  });

describe('lint', () => {
  test('of files in which all is well ends with 0, and asks no cluster', async () => {
    const files = {
      'pod.yaml': buildPod(good),
      'policy.yaml': buildPolicy('  cedar: permit (principal, action, resource);'),
      'other.yaml': 'kind: ConfigMap\nmetadata: {name: x}\n---\n',
    };
    const { code, out, opened } = await runLintOn(files);
    expect(out).toMatch(
      /^pod\.yaml: document 1, Pod agent: warning: container agent: .*\nnamespace default: level restricted, labels not known: judged as if it had none\nobjects judged: 2, faults: 0, warnings: 1\n$/,
    );
    expect([code, opened]).toEqual([0, []]);
  });

  test('names file, document, object and path of every fault of a declaration', async () => {
    const text = `kind: ConfigMap\n---\n${buildPod(bad)}`;
    const { code, out } = await runLintOn({ 'pod.yaml': text });
    const place = 'pod.yaml: document 2, Pod agent: task.valetkey.dev/summarize';
    expect(out).toContain(`${place} allow[0].actions[0]: expected`);
    expect(out).toContain('got "s3:GetObjct"');
    expect(out).toContain(`${place} lifetime: expected`);
    expect(code).toBe(1);
  });

  test('names rules that the pod would break, where their author wrote them', async () => {
    const spec = `{hostNetwork: true, initContainers: [{name: prepare, image: p, securityContext: {privileged: true, runAsNonRoot: true}}],
      containers: [{name: agent, image: a, securityContext: {runAsNonRoot: true}}]}`;
    const { out, code } = await runLintOn({ 'd.yaml': buildDeployment(spec) });
    const place = 'd.yaml: document 1, Deployment research/agents: /spec/template/spec';
    expect(out).toContain(`${place}/hostNetwork: expected false or nothing, got true (rule 3)`);
    expect(out).toContain(`${place}/initContainers/0/securityContext/privileged: expected`);
    expect(code).toBe(1);
  });

  test('names rules even where a declaration is at fault, and nothing that only follows from it', async () => {
    const { out } = await runLintOn({ 'pod.yaml': buildPod(bad, '  hostPID: true\n') });
    expect(out).toContain('/spec/hostPID: expected false or nothing, got true (rule 3)');
    expect(out).toContain('faults: 3');
  });

  test('refuses what only injection may put there', async () => {
    const label = good.replace('\n    task', '\n    valetkey.dev/other: x\n    task');
    const { out } = await runLintOn({ 'pod.yaml': buildPod(label) });
    expect(out).toContain('(rule 1)');
  });

  test.each([
    [
      'a block',
      '  cedar: |\n    permit (principal, action, resource)\n      when { context.rol == "x" };',
      'p.yaml:7:14: ',
    ],
    [
      'a block that begins with an empty line',
      '  cedar: |-\n\n    permit (principal, action, resource)\n      when { context.rol == "x" };',
      'p.yaml:8:14: ',
    ],
    [
      'a quoted text',
      '  cedar: "permit (principal, action, resource) when { context.rol == 1 };"',
      'p.yaml: ',
    ],
  ])('places a fault of Cedar in the file, in %s', async (_, cedar, expected) => {
    const { out, code } = await runLintOn({ 'p.yaml': buildPolicy(cedar) });
    expect(out).toContain(`${expected}document 1, TaskPolicy research: line `);
    expect(out).toContain('attribute `rol`');
    expect(code).toBe(1);
  });

  test('takes lists apart, and places Cedar in them, too', async () => {
    const indented = buildPolicy('  cedar: |\n    nonsense').split('\n').join('\n    ');
    const { out } = await runLintOn({ 'l.yaml': `kind: List\nitems:\n  - ${indented}\n` });
    expect(out).toMatch(/^l\.yaml:8:\d+: document 1, TaskPolicy research: line 1, column \d+: /);
  });

  test.each([
    ['no Cedar', buildPolicy('  cedar: 1'), 'spec.cedar: expected Cedar policies, got 1'],
    [
      'another version',
      buildPolicy('  cedar: x').replace('v1alpha1', 'v9'),
      'apiVersion: expected valetkey.dev/v1alpha1, got "valetkey.dev/v9"',
    ],
    ['no YAML', 'a: [b', 'x.yaml:1:6: document 1, document: (document): expected YAML'],
    ['a pod that is none', 'kind: Pod\nspec: []\n', '/spec: expected a mapping, got []'],
  ])('says that it met %s', async (_, text, expected) => {
    const { out, code } = await runLintOn({ 'x.yaml': text });
    expect(out).toContain(expected);
    expect(code).toBe(1);
  });

  test('answers the same as JSON', async () => {
    const { out } = await runLintOn({ 'p.yaml': buildPolicy('  cedar: |\n    x') }, ['-o', 'json']);
    expect(JSON.parse(out)).toMatchObject({
      judged: 1,
      faults: 1,
      findings: [
        { severity: 'fault', file: 'p.yaml', document: 1, object: 'TaskPolicy research', line: 6 },
      ],
    });
  });

  test("goes by the cluster's settings where no file is given", async () => {
    const { code, opened } = await runCli(['lint', 'pod.yaml', '--context', 'prod'], {
      files: { 'pod.yaml': buildPod(good) },
    });
    expect(opened).toMatchObject([{ context: 'prod', installedIn: 'valetkey' }]);
    expect(code).toBe(0);
  });

  test('takes the settings from the ConfigMap, too, as kubectl prints it', async () => {
    const map = `kind: ConfigMap\ndata:\n  platform.yaml: |\n${PLATFORM.replaceAll(/^/gm, '    ')}`;
    const files = { 'cm.yaml': map, 'pod.yaml': buildPod(good) };
    expect(await runCli(['lint', '--platform', 'cm.yaml', 'pod.yaml'], { files })).toMatchObject({
      code: 0,
    });
  });

  test('of a file that is not there, or of settings that are none, is wrong usage', async () => {
    expect(await runLintOn({ 'pod.yaml': buildPod(good) }, ['gone.yaml'])).toMatchObject({
      code: 2,
      error: '"gone.yaml": expected a file that can be read, got ENOENT\n',
    });
    const files = { 'pod.yaml': buildPod(good), 'platform.yaml': 'trust: nobody' };
    const { code, error } = await runCli(['lint', '--platform', 'platform.yaml', 'pod.yaml'], {
      files,
    });
    expect(error).toContain('platform.yaml trust: expected one of authority, cluster');
    expect(code).toBe(2);
  });

  test("accepts every file of settings that the platform's own reader does", async () => {
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

describe('what the platform gives a namespace', () => {
  const offline = (files: Readonly<Record<string, string>>, ...words: readonly string[]) =>
    runLintOn({ 'platform.yaml': given, ...files }, words);

  test('an exemption makes a breach a warning, where its author wrote it', async () => {
    const host = buildDeployment(
      '{hostNetwork: true, containers: [{name: agent, image: a, securityContext: {runAsNonRoot: true}}]}',
    );
    const { code, out } = await offline({ 'd.yaml': host });
    expect(out).toContain(
      'd.yaml: document 1, Deployment research/agents: warning: exempted by the platform: /spec/template/spec/hostNetwork: expected false or nothing, got true (rule 3)\n',
    );
    expect(out).toContain(
      'namespace research: level restricted, exempted from rules 3, labels not known',
    );
    expect(code).toBe(0);
    const elsewhere = host.replace('namespace: research', 'namespace: sales');
    expect((await offline({ 'd.yaml': elsewhere })).code).toBe(1);
  });

  test('level baseline lets a container be root, in the namespace of -n, too', async () => {
    const root = buildPod(good).replace('  securityContext: {runAsNonRoot: true}\n', '');
    expect((await offline({ 'p.yaml': root })).out).toContain('(rule 4)');
    const { code, out } = await offline({ 'p.yaml': root }, '-n', 'legacy');
    expect(out).toContain('namespace legacy: level baseline, labels not known');
    expect(code).toBe(0);
  });

  test.each([
    ['beside the pod', { 'd.yaml': `${keyed}${buildNamespace('research', 'warn')}` }],
    ['in another file', { 'd.yaml': keyed, 'n.yaml': buildNamespace('research', 'warn') }],
  ])('a Namespace %s that migrates turns rule 7 into warnings', async (_, files) => {
    const { code, out } = await offline(files);
    expect(out).toContain('warning: refused once valetkey.dev/mode is no longer warn: /spec/');
    expect(out).toContain('valetkey.dev/mode=warn, labels as the files say');
    expect(code).toBe(0);
  });

  test.each([
    ['of another name', `${keyed}${buildNamespace('sales', 'warn')}`],
    ['that does not', `${keyed}${buildNamespace('research', 'enforce')}`],
  ])('a Namespace %s refuses as ever', async (_, text) => {
    const { code, out } = await offline({ 'd.yaml': text });
    expect(out).toContain('(rule 7)');
    expect(code).toBe(1);
  });

  test("without a Namespace in the files the cluster's labels count", async () => {
    const labels = { 'valetkey.dev/mode': 'warn' };
    const readNamespaceLabels = (name: string) =>
      Promise.resolve(name === 'research' ? labels : undefined);
    const cluster = { readNamespaceLabels };
    const warned = await runCli(['lint', 'd.yaml'], { files: { 'd.yaml': keyed }, cluster });
    expect(warned.out).toContain('valetkey.dev/mode=warn, labels as the cluster says');
    expect(warned.code).toBe(0);
    const files = { 'd.yaml': `${keyed}${buildNamespace('research', 'enforce')}` };
    expect((await runCli(['lint', 'd.yaml'], { files, cluster })).code).toBe(1);
  });

  test('a service account that another mechanism binds is a breach, by file and by cluster', async () => {
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

  test('stands in the answer for programs, too', async () => {
    const { out } = await offline({ 'd.yaml': keyed }, '-o', 'json');
    expect(JSON.parse(out)).toMatchObject({
      namespaces: [
        {
          ...{ namespace: 'research', level: 'restricted', exemptions: ['3'] },
          ...{ isMigrating: false, labelsFrom: 'nowhere' },
        },
      ],
    });
  });
});
