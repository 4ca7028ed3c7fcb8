import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parse, stringify } from 'yaml';
import { runCli } from '../../cmd/kubectl-valetkey/fixtures/cli-harness.ts';
import { STARTER_POLICY } from '../../lib/policy/starter-policy.ts';
import { checkCommand, listOwnCommands, VALID_COMMAND } from './command-check.ts';

const root = join(import.meta.dirname, '..', '..');
const readFile = (path: string): string => readFileSync(join(root, path), 'utf8');

const PAGE = 'docs/first-hour.md';
const BLOCK = /(?:^(?<mark>[^\n]+):\n\n)?^```(?<language>\w+)\n(?<text>.*?)^```$/gms;

type Block = { readonly mark: string; readonly language: string; readonly text: string };

const readBlocks = (page: string): readonly Block[] =>
  Array.from(readFile(page).matchAll(BLOCK), ({ groups = {} }) => {
    const { mark = '', language = '', text = '' } = groups;
    return { mark: mark.split('\n').at(-1) ?? '', language, text };
  });

const blocks = readBlocks(PAGE);
const shell = blocks.filter(({ language }) => language === 'sh');
const [reader = '', policy = ''] = blocks
  .filter(({ language }) => language === 'yaml')
  .map(({ text }) => text);

const toLines = ({ text }: { readonly text: string }): readonly string[] =>
  text.replaceAll('\\\n', '').trim().split('\n');

/** The lines of docs/quickstart.md, all of which e2e/tests/guide/quickstart.e2e.ts runs. */
const testedLines = readBlocks('docs/quickstart.md')
  .filter(({ language }) => language === 'sh')
  .flatMap(toLines);

/** The cluster of the page, as files. */
const files = {
  'reader.yaml': reader,
  'policy.yaml': policy,
  'namespace.yaml': stringify({
    ...{ apiVersion: 'v1', kind: 'Namespace' },
    metadata: { name: 'quickstart', labels: { 'valetkey.dev/tasks': 'allowed' } },
  }),
  'account.yaml': stringify({
    ...{ apiVersion: 'v1', kind: 'ServiceAccount' },
    metadata: { name: 'agent', namespace: 'quickstart' },
  }),
  'starter.yaml': stringify({
    ...{ apiVersion: 'valetkey.dev/v1alpha1', kind: 'TaskPolicy' },
    ...{ metadata: { name: 'valetkey-starter' }, spec: { cedar: STARTER_POLICY } },
  }),
  'platform.yaml': stringify({
    sidecar: { image: 'registry.example/valetkey:0.1.0' },
    cloud: (parse(readFile('manifests/quickstart/quickstart-values.yaml')) as { cloud: object })
      .cloud,
    authority: {
      endpoint: 'https://a.example',
      ...{ issuer: 'https://issuer.example', trustDomain: 'issuer.example' },
    },
  }),
};

const tryOffline = async (
  names: readonly (keyof typeof files)[],
  words: readonly string[],
  changed: Partial<typeof files> = {},
) => {
  const inputs = [...names, 'namespace.yaml', 'account.yaml', 'starter.yaml'];
  const { out } = await runCli(
    ['try', ...inputs.flatMap((name) => ['-f', name]), '--platform', 'platform.yaml', ...words],
    { files: { ...files, ...changed } },
  );
  return out;
};

const call = (object: string) => ['--call', `s3:GetObject arn:aws:s3:::quickstart/${object}`];

describe(PAGE, () => {
  it('marks as run in CI only what end-to-end tests run, and all of that', () => {
    const marked = shell.filter(({ mark }) => mark === 'Run in CI').flatMap(toLines);
    expect(marked).toEqual(testedLines);
  });

  it.each(
    shell
      .flatMap(toLines)
      .flatMap(listOwnCommands)
      .map((words) => [words]),
  )('shows a valid command: %j', async (words) => {
    expect(await checkCommand(words)).toEqual(VALID_COMMAND);
  });

  it('shows what its policy decides about its pod', async () => {
    const shown = blocks.find(({ text }) => text.includes('refused by first-hour'))?.text;
    const words = call('reports/today.csv');
    expect(await tryOffline(['reader.yaml'], words)).toContain('call allowed');
    expect(await tryOffline(['reader.yaml', 'policy.yaml'], words)).toContain(shown);
    const shorter = reader.replace('lifetime: 10m', 'lifetime: 5m');
    expect(
      await tryOffline(['reader.yaml', 'policy.yaml'], words, { 'reader.yaml': shorter }),
    ).toContain('call allowed');
  });

  it('shows what is refused outside of the task', async () => {
    const shown = blocks.find(({ text }) => text.includes('call refused'))?.text;
    expect(await tryOffline(['reader.yaml'], call('private/keys.txt'))).toContain(shown);
  });

  it('shows the refusal of docs/quickstart.md', () => {
    const shown = blocks.find(({ text }) => text.startsWith('An error occurred'))?.text.trim();
    expect(readFile('docs/quickstart.md')).toContain(shown);
  });

  it('uses the role and the image of the quick start', () => {
    const agent = readFile('manifests/quickstart/agent.yaml');
    for (const line of reader.match(/^ *(?:role|- actions|resources|image): .*$/gm) ?? []) {
      expect(agent).toContain(line.trim());
    }
  });
});
