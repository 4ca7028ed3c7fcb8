import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parseAllDocuments, stringify } from 'yaml';
import { createGuidePage } from '../../e2e/tests/guide/block-coverage.ts';
import { readGuideBlocks, toLines } from '../../e2e/tests/guide/guide-blocks.ts';
import { PLATFORM, runCli, S3_PLATFORM } from '../../cmd/kubectl-valetkey/fixtures/cli-harness.ts';
import { STARTER_POLICY } from '../../lib/policy/starter-policy.ts';
import { toMapping } from '../../lib/schema/mapping.ts';

const root = join(import.meta.dirname, '..', '..');
const readPage = (path: string): string => readFileSync(join(root, path), 'utf8');
const pages = globSync('docs/guides/*.md', { cwd: root }).sort();

const listYaml = (page: string): readonly unknown[] =>
  Array.from(readPage(page).matchAll(/^```yaml\n(?<text>.*?)^```$/gms), ({ groups = {} }) =>
    [...parseAllDocuments(groups['text'] ?? '')].map((document) => document.toJS() as unknown),
  ).flat();

/** What the controller of Argo Workflows makes of a template: helpers beside the container, as in test/cases/14b. */
const toWorkflowPods = (workflow: unknown): readonly object[] => {
  const { metadata, spec } = toMapping(workflow);
  const { serviceAccountName, templates } = toMapping(spec);
  const helper = (name: string) => ({
    ...{ name, image: 'quay.io/argoproj/argoexec:v3.7' },
    securityContext: { runAsNonRoot: true, runAsUser: 8737 },
  });
  return (templates as readonly unknown[]).map((template) => {
    const { name, metadata: own, container } = toMapping(template);
    return {
      ...{ apiVersion: 'v1', kind: 'Pod' },
      metadata: { ...toMapping(own), name, namespace: toMapping(metadata)['namespace'] },
      spec: {
        ...{ serviceAccountName, automountServiceAccountToken: false, restartPolicy: 'Never' },
        initContainers: [helper('init')],
        containers: [helper('wait'), { ...toMapping(container), name: 'main' }],
      },
    };
  });
};

const listObjects = (page: string): readonly object[] =>
  listYaml(page)
    .filter((value): value is object => toMapping(value)['apiVersion'] !== undefined)
    .flatMap((value) =>
      toMapping(value)['kind'] === 'Workflow' ? toWorkflowPods(value) : [value],
    );

const toFile = (objects: readonly object[]): string =>
  objects.map((each) => stringify(each)).join('---\n');

const NAMESPACES = ['default', 'research', 'tools'].map((name) => ({
  ...{ apiVersion: 'v1', kind: 'Namespace' },
  metadata: { name, labels: { 'valetkey.dev/tasks': 'allowed' } },
}));

const STARTER = {
  ...{ apiVersion: 'valetkey.dev/v1alpha1', kind: 'TaskPolicy' },
  ...{ metadata: { name: 'valetkey-starter' }, spec: { cedar: STARTER_POLICY } },
};

const upstream = listYaml('docs/static-keys.md').filter(
  (value): value is object => toMapping(value)['kind'] === 'Upstream',
);

/** Lints the objects of pages with the starter policy: page → objects. */
const lint = (objects: Readonly<Record<string, readonly object[]>>, platform: string) =>
  runCli(
    [
      'lint',
      '--platform',
      'platform.yaml',
      '--policy',
      'policy.yaml',
      'shared',
      ...Object.keys(objects),
    ],
    {
      files: {
        'platform.yaml': platform,
        'policy.yaml': toFile([STARTER]),
        shared: toFile([...NAMESPACES, ...upstream]),
        ...Object.fromEntries(Object.entries(objects).map(([page, each]) => [page, toFile(each)])),
      },
    },
  );

const withManifests = pages.filter((page) => listObjects(page).length > 0);

describe('manifests of docs/guides', () => {
  it('are in each guide of a platform and of a framework', () => {
    const names = withManifests.map((page) => basename(page, '.md'));
    expect(names).toEqual(
      expect.arrayContaining([
        ...['eks', 'migrate', 'on-premises', 'langchain', 'openai-agents', 'mcp-servers'],
        ...['argo-workflows', 'airflow', 'kuberay', 'agent-sandbox'],
      ]),
    );
  });

  const isPrivate = (page: string): boolean => page.endsWith('on-premises.md');
  it.each([
    ['AWS', PLATFORM, withManifests.filter((page) => !isPrivate(page))],
    ['a private cloud', S3_PLATFORM, withManifests.filter(isPrivate)],
  ])('are admitted, and permitted by the starter policy, for %s', async (_, platform, named) => {
    const objects = Object.fromEntries(named.map((page) => [page, listObjects(page)]));
    const { code, out } = await lint(objects, platform);
    expect(out.split('\n').filter((line) => !line.includes('warning: container'))).toContainEqual(
      expect.stringMatching(/ faults: 0, /),
    );
    expect(code).toBe(0);
  });

  it('would be reported if a task were not permitted', async () => {
    const long = readPage('docs/guides/eks.md').replaceAll('lifetime: 10m', 'lifetime: 20m');
    const pod = parseAllDocuments(/^apiVersion: v1\nkind: Pod.*?(?=^```)/ms.exec(long)?.[0] ?? '');
    const { code, out } = await lint({ 'eks.md': [pod[0]?.toJS() as object] }, PLATFORM);
    expect(out).toContain('no policy permits it');
    expect(code).toBe(1);
  });
});

describe('commands of docs/guides that check a manifest', () => {
  it.each([
    ['agent-sandbox', 'Declare the tasks of a Sandbox'],
    ['airflow', 'Write the pod as a template'],
    ['kuberay', 'Declare the tasks of workers'],
  ])('find no faults in that of %s', async (name, heading) => {
    const page = `docs/guides/${name}.md`;
    const commands = createGuidePage(page, 'tools/docs/guide-manifests.test.ts').take(heading);
    const [manifest = ''] = readGuideBlocks(page)
      .filter((block) => block.heading === heading && block.language === 'yaml')
      .map(({ text }) => text);
    const lines = toLines(commands).map((line) => line.split(' '));
    expect(lines).toEqual([['kubectl', 'valetkey', 'lint', expect.stringMatching(/\.yaml$/)]]);
    const [[, , ...words] = []] = lines;
    const { code, out } = await runCli(words, { files: { [words.at(-1) ?? '']: manifest } });
    expect(out).toContain('faults: 0');
    expect(code).toBe(0);
  });
});
