import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';

import { DEFAULT_PLATFORM } from '../../lib/config/default-platform.ts';
import { readPlatform } from '../../lib/config/platform-parser.ts';
import { getValue, readObjects } from '../../test/kit/kubernetes-objects.ts';
import { readRenderedPlatform } from './rendered-platform.ts';

const chart = join(import.meta.dirname, '../../charts/valetkey');
const readText = (...path: string[]): string =>
  readFileSync(join(import.meta.dirname, '../..', ...path), 'utf8');
const values: unknown = parse(readFileSync(join(chart, 'values.yaml'), 'utf8'));
const schema: unknown = JSON.parse(readFileSync(join(chart, 'values.schema.json'), 'utf8'));

type Mapping = Readonly<Record<string, unknown>>;
const isMapping = (value: unknown): value is Mapping =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Every mapping in the schema that describes a mapping, by where it stands. */
const listMappings = (node: unknown, path: string): readonly (readonly [string, Mapping])[] => {
  if (Array.isArray(node))
    return node.flatMap((each, index) => listMappings(each, `${path}[${index}]`));
  if (!isMapping(node)) return [];
  const below = Object.entries(node).flatMap(([key, each]) => listMappings(each, `${path}/${key}`));
  return node['type'] === 'object' ? [[path, node], ...below] : below;
};

/** Keys of the default values, as paths; a mapping whose keys are anybody's is one of them. */
const listKeys = (value: unknown, path: string): readonly string[] =>
  isMapping(value) && Object.keys(value).length > 0
    ? Object.entries(value).flatMap(([key, each]) => listKeys(each, `${path}.${key}`))
    : [path];

describe('values.schema.json', () => {
  test('refuses unknown names in every mapping whose names are ours', () => {
    const open = listMappings(schema, '')
      .filter(([path]) => path !== '/properties/global')
      .filter(([, node]) => node['additionalProperties'] !== false)
      .filter(([, node]) => !isMapping(node['additionalProperties']));
    expect(open.map(([path]) => path)).toEqual([]);
  });

  test.each(listKeys(values, '').map((path) => [path.slice(1)]))('knows %s', (path) => {
    const known = path.split('.').reduce<unknown>((node, key) => {
      const reference = getValue(node, '$ref');
      const resolved =
        typeof reference === 'string'
          ? getValue(schema, reference.slice(2).replace('/', '.'))
          : node;
      return getValue(resolved, `properties.${key}`);
    }, schema);
    expect(known).toBeDefined();
  });
});

describe('values.yaml', () => {
  test('has every setting that the webhook reads', () => {
    const fixture: unknown = parse(readText('lib', 'config', 'fixtures', 'platform.yaml'));
    // The image is one for all programs, and stands at the top; the endpoint follows from the
    // namespace; the last two are empty by default.
    const elsewhere =
      /^\.sidecar\.image|^\.authority\.endpoint|\.maxResources\.|\.mintingActions\./;
    const missing = listKeys(fixture, '')
      .filter((path) => !elsewhere.test(path))
      .filter((path) => getValue(values, path.slice(1)) === undefined);
    expect(missing).toEqual([]);
  });

  test('has the defaults that the webhook has', () => {
    const rendered = readRenderedPlatform(readObjects(readText('manifests', 'valetkey.yaml')));
    expect(readPlatform(DEFAULT_PLATFORM)).toEqual({ ok: true, value: rendered });
  });
});
