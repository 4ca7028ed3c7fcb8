import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { createTaskReader } from '../../lib/injection/declared-tasks.ts';
import { createCatalogLoader } from '../../lib/catalog/catalog.ts';
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

/** By the defaults of the platform's settings, with the container that all examples have. */
const listAnnotationFaults = async (
  annotations: Annotations,
  value?: unknown,
): Promise<readonly string[]> => {
  const platform = readPlatform(
    '{trust: cluster, sidecar: {image: any}, cloud: {region: eu-central-1}}',
  );
  if (!platform.ok) throw new Error(platform.faults.map(formatFieldError).join('\n'));
  const named = (value as Pod | undefined)?.spec?.containers?.map(({ name }) => name);
  const consumers = { containers: named ?? ['agent'], addressable: [] };
  const tasks = await createTaskReader(
    platform.value,
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
/** Those of docs/admission.md are parts of pods that are refused: docs/admission.test.ts plays them. */
const chartValues = yaml.filter(
  (example) => !declaringExamples.includes(example) && example.page !== 'docs/admission.md',
);

describe('an example', () => {
  test('stands where newcomers look for one', () => {
    const found = declaringExamples.map(({ page }) => page);
    expect(found).toEqual(expect.arrayContaining(['README.md', 'docs/tasks.md']));
  });

  test.each(declaringExamples)('of a task in $page is admitted', async ({ value }) => {
    expect(await listAnnotationFaults(findAnnotations(value), value)).toEqual([]);
  });

  test.each(chartValues)('of chart values in $page names values of the chart', ({ value }) => {
    expect(listUnknownKeys(value, parse(readPage('charts/valetkey/values.yaml')))).toEqual([]);
  });

  test.each(listFencedBlocks('json'))('of JSON in $page is JSON', ({ text }) => {
    expect(() => JSON.parse(text) as unknown).not.toThrow();
  });

  test('of a refusal is what admission says', async () => {
    const file = 'docs/tasks.md';
    const given = declaringExamples.find(({ page }) => page === file)?.value;
    const wrong = Object.entries(findAnnotations(given)).map(([key, text]) => [
      key,
      text.replace('s3:GetObject', 's3:GetObjct').replace('10m', '3h'),
    ]);
    const shown = listFencedBlocks('text').find(({ page }) => page === file)?.text;
    expect(await listAnnotationFaults(Object.fromEntries(wrong) as Annotations)).toEqual(
      shown?.trim().split('\n'),
    );
  });
});

/** Where the chart's own value is an empty mapping, its user chooses the keys. */
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
  const all = (pattern: RegExp, from = prose): readonly string[] =>
    Array.from(from.matchAll(pattern), ([, found = '']) => found);

  test('links to files that exist', () => {
    const links = all(/\]\(([^)\s#]+)/g).filter((link) => !/^[a-z]+:/.test(link));
    const broken = links.filter((link) => !existsSync(join(root, dirname(page), link)));
    expect(broken).toEqual([]);
  });

  test('names files that exist', () => {
    const named = all(
      /`((?:bench|charts|cmd|demo|docs|e2e|fuzz|lib|manifests|test|tools)\/[\w./-]+)`/g,
    );
    const built = (file: string): boolean => file.startsWith('bench/out/');
    expect(named.filter((file) => !built(file) && !existsSync(join(root, file)))).toEqual([]);
  });

  test('names make targets that exist', () => {
    const targets = all(/^([a-z0-9-]+):.*## /gm, readPage('Makefile'));
    const named = all(/(?:^|`|or: )make ([a-z0-9-]+)/gm, text);
    expect(named.filter((name) => !targets.includes(name))).toEqual([]);
  });

  test('names metrics that exist', () => {
    const known = [...WEBHOOK_METRICS, ...AUTHORITY_METRICS, ...SIDECAR_METRICS].map(
      ({ name }) => name,
    );
    const named = all(/\b(valetkey_(?:webhook|authority|sidecar)_\w+)/g, text);
    expect(named.filter((name) => !known.includes(name as (typeof known)[number]))).toEqual([]);
  });
});
