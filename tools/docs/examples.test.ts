import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { createTaskReader } from '../../lib/injection/declared-tasks.ts';
import { createCatalogLoader } from '../../lib/catalog/catalog.ts';
import { toMapping } from '../../lib/schema/mapping.ts';
import { parseUpstream } from '../../lib/upstreams/upstream-parser.ts';
import { readPlatform } from '../../lib/config/platform-parser.ts';
import type { Pod } from '../../lib/contract/pod.ts';
import { AUTHORITY_METRICS } from '../../lib/edge/telemetry/authority-metrics.ts';
import { SIDECAR_METRICS } from '../../lib/edge/telemetry/sidecar-metrics.ts';
import { WEBHOOK_METRICS } from '../../lib/edge/telemetry/webhook-metrics.ts';
import { formatFieldError } from '../../lib/schema/field-error.ts';

const root = join(import.meta.dirname, '..', '..');
const readPage = (file: string): string => readFileSync(join(root, file), 'utf8');
const pages = ['*.md', '{bench,charts,cmd,demo,docs,e2e,fuzz,lib,manifests,test,tools}/**/*.md']
  .flatMap((pattern) => globSync(pattern, { cwd: root }))
  .sort();

type Example = { readonly page: string; readonly text: string };

const listFencedBlocks = (language: string): readonly Example[] =>
  pages.flatMap((page) =>
    Array.from(
      readPage(page).matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'gms')),
      ([, text = '']) => ({ page, text }),
    ),
  );

const isMapping = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

type Annotations = Readonly<Record<string, string>>;

/** The task declarations of an example, a pod or a part of its annotations. */
const findAnnotations = (value: unknown): Annotations =>
  Object.fromEntries(
    Object.entries(isMapping(value) ? value : {}).flatMap(([key, member]) =>
      key.startsWith('task.valetkey.dev/')
        ? [[key, String(member)]]
        : Object.entries(findAnnotations(member)),
    ),
  );

/** Errors with the platform's default settings and the container that all examples have. */
const listAnnotationErrors = async (
  annotations: Annotations,
  value?: unknown,
): Promise<readonly string[]> => {
  const isMinio = Object.values(annotations).some((text) => /arn:minio:|:iam:::role/.test(text));
  const cloud = isMinio
    ? '{region: us-east-1, dialect: s3, stsEndpoint: "https://minio.example"}'
    : '{region: eu-central-1}';
  const accounts = isMinio ? '[]' : '["111122223333"]';
  const platform = readPlatform(
    `{trust: cluster, sidecar: {image: any}, cloud: ${cloud}, tasks: {accountIds: ${accounts}}}`,
  );
  if (!platform.ok) throw new Error(platform.faults.map(formatFieldError).join('\n'));
  const containers = (value as Pod | undefined)?.spec?.containers?.map(({ name }) => name);
  const consumers = { containers: containers ?? ['agent'], addressable: [] };
  const tasks = await createTaskReader(
    // Examples of provider http and of delegation need an authority, which changes nothing else of a declaration.
    { ...platform.value, trust: 'authority' },
    createCatalogLoader(),
  )({ annotations, consumers });
  return tasks.ok ? [] : tasks.faults.map(formatFieldError);
};

const yaml = listFencedBlocks('yaml').map(({ page, text }) => ({
  page,
  value: parse(text) as unknown,
}));
const declaringExamples = yaml.filter(
  ({ page, value }) =>
    page !== 'docs/admission.md' && Object.keys(findAnnotations(value)).length > 0,
);
/** The examples of docs/admission.md are parts of denied pods: admission-page.test.ts checks them. */
const upstreams = yaml.filter(({ value }) => toMapping(value)['kind'] === 'Upstream');
/** Objects of Kubernetes, which are no values of the chart. */
const isObject = (value: unknown): boolean => toMapping(value)['apiVersion'] !== undefined;
/** Of Prometheus: the end-to-end tests start one with it. */
const isScrapeConfiguration = (value: unknown): boolean =>
  toMapping(value)['scrape_configs'] !== undefined;
const chartValues = yaml.filter(
  (example) =>
    !declaringExamples.includes(example) &&
    !isObject(example.value) &&
    !isScrapeConfiguration(example.value) &&
    example.page !== 'docs/admission.md',
);

describe('examples in the documentation', () => {
  it('include a task in README.md and docs/tasks.md', () => {
    const found = declaringExamples.map(({ page }) => page);
    expect(found).toEqual(expect.arrayContaining(['README.md', 'docs/tasks.md']));
  });

  it.each(declaringExamples)('declare a valid task in $page', async ({ value }) => {
    expect(await listAnnotationErrors(findAnnotations(value), value)).toEqual([]);
  });

  it.each(upstreams)('are valid Upstreams in $page', ({ value }) => {
    const parsed = parseUpstream(value);
    expect(parsed.ok ? [] : parsed.faults.map(formatFieldError)).toEqual([]);
  });

  it('include an Upstream in each page about one', () => {
    const found = new Set(upstreams.map(({ page }) => page));
    const about = ['upstreams', 'git', 'mcp', 'postgres'].map((name) => `docs/${name}.md`);
    expect([...found]).toEqual(expect.arrayContaining(about));
  });

  it.each(upstreams)('have only members that the CRD keeps in $page', ({ value }) => {
    expect(listPrunedKeys(toMapping(value)['spec'], upstreamSchema)).toEqual([]);
  });

  it.each(chartValues)('name existing chart values in $page', ({ value }) => {
    expect(listUnknownKeys(value, parse(readPage('charts/valetkey/values.yaml')))).toEqual([]);
  });

  it.each(listFencedBlocks('json'))('are valid JSON in $page', ({ text }) => {
    expect(() => JSON.parse(text) as unknown).not.toThrow();
  });

  it.each(listFencedBlocks('hcl'))('refer only to what they declare in $page', ({ text }) => {
    const declared = Array.from(
      text.matchAll(/^(resource|data|variable) ("\w+")?(?: ?)("\w+")? ?\{$/gm),
      ([, kind = '', ...labels]) => [kind, ...labels].filter(Boolean).join('.').replaceAll('"', ''),
    ).map((name) => name.replace(/^resource\./, '').replace(/^variable\./, 'var.'));
    const used = Array.from(
      text.matchAll(/\b((?:data\.)?aws_\w+\.\w+|var\.\w+)/g),
      ([, name = '']) => name,
    );
    expect(used.length).toBeGreaterThan(0);
    expect(used.filter((name) => !declared.includes(name))).toEqual([]);
    // The provider's URL is the issuer of the page's other examples.
    expect(text).toContain('url            = "https://issuer.example.com/valetkey"');
  });

  it('show the errors of admission in docs/tasks.md', async () => {
    const file = 'docs/tasks.md';
    const example = declaringExamples.find(({ page }) => page === file)?.value;
    const invalid = Object.entries(findAnnotations(example)).map(([key, text]) => [
      key,
      text.replace('s3:GetObject', 's3:GetObjct').replace('10m', '3h'),
    ]);
    const shown = listFencedBlocks('text').find(({ page }) => page === file)?.text;
    expect(await listAnnotationErrors(Object.fromEntries(invalid) as Annotations)).toEqual(
      shown?.trim().split('\n'),
    );
  });
});

type Schema = {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
};

const crd = parse(readPage('charts/valetkey/crds/upstreams.yaml')) as {
  readonly spec: {
    readonly versions: readonly { readonly schema: { readonly openAPIV3Schema: Schema } }[];
  };
};
const upstreamSchema = crd.spec.versions[0]?.schema.openAPIV3Schema.properties?.['spec'];

/** An API server drops them without an error. A schema without properties takes any. */
const listPrunedKeys = (
  value: unknown,
  schema: Schema | undefined,
  path = '',
): readonly string[] =>
  Array.isArray(value)
    ? value.flatMap((each) => listPrunedKeys(each, schema?.items, `${path}[]`))
    : Object.entries(isMapping(value) && schema?.properties !== undefined ? value : {}).flatMap(
        ([key, member]) => {
          const known = schema?.properties?.[key];
          const at = `${path}.${key}`;
          return known === undefined ? [at] : listPrunedKeys(member, known, at);
        },
      );

/** If the chart's own value is an empty mapping, its user chooses the keys. */
const listUnknownKeys = (given: unknown, known: unknown, path = ''): readonly string[] => {
  if (!isMapping(given) || !isMapping(known) || Object.keys(known).length === 0) return [];
  return Object.entries(given).flatMap(([key, member]) =>
    Object.hasOwn(known, key)
      ? listUnknownKeys(member, known[key], `${path}${key}.`)
      : [path + key],
  );
};

describe.each(pages)('%s', (page) => {
  const text = readPage(page);
  const prose = text.replaceAll(/^ *```.*?^ *```$/gms, '');
  /** Without patterns in code, whose brackets look like links. */
  const linked = prose.replaceAll(/`[^`\n]*`/g, 'code');
  const all = (pattern: RegExp, from = prose): readonly string[] =>
    Array.from(from.matchAll(pattern), ([, found = '']) => found);

  it('links to files that exist', () => {
    const links = all(/\]\(([^)\s#]+)/g, linked).filter((link) => !/^[a-z]+:/.test(link));
    const broken = links.filter((link) => !existsSync(join(root, dirname(page), link)));
    expect(broken).toEqual([]);
  });

  it('names files that exist', () => {
    const named = all(
      /`((?:bench|charts|cmd|demo|docs|e2e|fuzz|lib|manifests|test|tools)\/[\w./-]+)`/g,
    );
    // Built by the benchmark; methods of MCP.
    const others = /^bench\/out\/|^tools\/(?:list|call)$/;
    expect(named.filter((file) => !others.test(file) && !existsSync(join(root, file)))).toEqual([]);
  });

  it('names make targets that exist', () => {
    const targets = all(/^([a-z0-9-]+):.*## /gm, readPage('Makefile'));
    const named = all(/(?:^|`|or: )make ([a-z0-9-]+)/gm, text);
    expect(named.filter((name) => !targets.includes(name))).toEqual([]);
  });

  it('names alerts that exist', () => {
    const named = all(/\b(Valetkey[A-Z]\w+)/g);
    const isAlert = (name: string) => existsSync(join(root, `docs/runbooks/${name}.md`));
    expect(named.filter((name) => !isAlert(name))).toEqual([]);
  });

  it('names metrics that exist', () => {
    const known = [...WEBHOOK_METRICS, ...AUTHORITY_METRICS, ...SIDECAR_METRICS].flatMap(
      ({ name, type }) => (type === 'histogram' ? [name, `${name}_bucket`] : [name]),
    );
    const named = all(/\b(valetkey_(?:webhook|authority|sidecar)_\w+)/g, text);
    expect(named.filter((name) => !known.includes(name))).toEqual([]);
  });
});
