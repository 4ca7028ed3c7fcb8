import { describe, expect, it } from '@jest/globals';

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
  it('exits with 0 for valid files without a request to the cluster', async () => {
    const files = {
      'pod.yaml': buildPod(good),
      'policy.yaml': buildPolicy('  cedar: permit (principal, action, resource);'),
      'other.yaml': 'kind: ConfigMap\nmetadata: {name: x}\n---\n',
    };
    const { code, out, opened } = await runLintOn(files);
    expect(out).toMatch(
      /^pod\.yaml: document 1, Pod agent: warning: container agent: .*\nnamespace default: level restricted, labels unknown: checked as if there were none\nobjects checked: 2, faults: 0, warnings: 1\n$/,
    );
    expect([code, opened]).toEqual([0, []]);
  });

  it('reports the file, document, object and path of each error in a declaration', async () => {
    const text = `kind: ConfigMap\n---\n${buildPod(bad)}`;
    const { code, out } = await runLintOn({ 'pod.yaml': text });
    const place = 'pod.yaml: document 2, Pod agent: task.valetkey.dev/summarize';
    expect(out).toContain(`${place} allow[0].actions[0]: expected`);
    expect(out).toContain('got "s3:GetObjct"');
    expect(out).toContain(`${place} lifetime: expected`);
    expect(code).toBe(1);
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
    const place = 'd.yaml: document 1, Deployment research/agents: /spec/template/spec';
    expect(out).toContain(`${place}/hostNetwork: expected false or nothing, got true (rule 3)`);
    expect(out).toContain(`${place}/initContainers/0/securityContext/privileged: expected`);
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
      'p.yaml: ',
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
      'd.yaml: document 1, Deployment research/agents: warning: exempted by the platform: /spec/template/spec/hostNetwork: expected false or nothing, got true (rule 3)\n',
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
    const labels = { 'valetkey.dev/mode': 'warn' };
    const readNamespaceLabels = (name: string) =>
      Promise.resolve(name === 'research' ? labels : undefined);
    const cluster = { readNamespaceLabels };
    const warned = await runCli(['lint', 'd.yaml'], { files: { 'd.yaml': keyed }, cluster });
    expect(warned.out).toContain('valetkey.dev/mode=warn, labels from the cluster');
    expect(warned.code).toBe(0);
    const files = { 'd.yaml': `${keyed}${buildNamespace('research', 'enforce')}` };
    expect((await runCli(['lint', 'd.yaml'], { files, cluster })).code).toBe(1);
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
