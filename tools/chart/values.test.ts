import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';

import { ANY_ACCOUNT, NEW_INSTALLATION } from '../../lib/contract/platform.ts';
import { DEFAULT_PLATFORM } from '../../lib/config/default-platform.ts';
import { WEBHOOK_LISTEN } from '../../lib/contract/paths.ts';
import { ENV_DENY_LIST, mayBeAddedToSidecar } from '../../lib/config/environment-review.ts';
import { readPlatform } from '../../lib/config/platform-parser.ts';
import { parseRoleArn } from '../../lib/schema/arn.ts';
import { getValue, readObjects } from '../../test/kit/kubernetes-objects.ts';
import { SAMPLE_ACCOUNT } from './helm.ts';
import { readRenderedPlatform } from './rendered-platform.ts';

const chart = join(import.meta.dirname, '../../charts/valetkey');
const readText = (...path: string[]): string =>
  readFileSync(join(import.meta.dirname, '../..', ...path), 'utf8');
const values: unknown = parse(readFileSync(join(chart, 'values.yaml'), 'utf8'));
const schema: unknown = JSON.parse(readFileSync(join(chart, 'values.schema.json'), 'utf8'));

type Mapping = Readonly<Record<string, unknown>>;
const isMapping = (value: unknown): value is Mapping =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Every schema node that describes a mapping, with its path. */
const listMappings = (node: unknown, path: string): readonly (readonly [string, Mapping])[] => {
  if (Array.isArray(node))
    return node.flatMap((each, index) => listMappings(each, `${path}[${index}]`));
  if (!isMapping(node)) return [];
  const below = Object.entries(node).flatMap(([key, each]) => listMappings(each, `${path}/${key}`));
  return node['type'] === 'object' ? [[path, node], ...below] : below;
};

/** Paths of the default values. A mapping with free keys counts as one value. */
const listKeys = (value: unknown, path: string): readonly string[] =>
  isMapping(value) && Object.keys(value).length > 0
    ? Object.entries(value).flatMap(([key, each]) => listKeys(each, `${path}.${key}`))
    : [path];

describe('values.schema.json', () => {
  it('rejects unknown names in every mapping with fixed names', () => {
    const open = listMappings(schema, '')
      .filter(([path]) => path !== '/properties/global')
      .filter(([, node]) => node['additionalProperties'] !== false)
      .filter(([, node]) => !isMapping(node['additionalProperties']));
    expect(open.map(([path]) => path)).toEqual([]);
  });

  it.each(listKeys(values, '').map((path) => [path.slice(1)]))('defines %s', (path) => {
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

describe('role ARNs in values.schema.json', () => {
  const roles = 'properties.authority.properties';
  const patterns = [
    ['tasks.mintingActions', 'properties.tasks.properties.mintingActions.propertyNames'],
    ['authority.denyList.revokerRole', `${roles}.denyList.properties.revokerRole`],
    ['authority.denyList.roles', `${roles}.denyList.properties.roles.items`],
    ['authority.publisher.role', `${roles}.publisher.properties.role`],
  ] as const;
  const texts = [
    ...['arn:aws:iam::111122223333:role/agent', 'arn:aws-us-gov:iam::111122223333:role/a/b/agent'],
    ...['arn:aws:iam:::role/rgw', 'arn:minio:iam:::role/c5vfe', 'arn:aws2:iam:::role/x'],
    ...['arn:aws:iam::111122223333:role/', 'arn:aws:iam::111122223333:role/a//b'],
    ...['arn:aws:iam::111122223333:role//b', 'arn:aws:iam::111122223333:role/a/'],
    ...['arn:-aws:iam:::role/x', 'arn:aws:iam::1111:role/x', 'arn:aws:sts:::role/x', 'x'],
    ...[`arn:aws:iam:::role/${'x'.repeat(64)}`, `arn:aws:iam:::role/${'x'.repeat(65)}`],
    ...['arn:aws:iam:::role/*', 'arn:aws:iam:::user/x'],
  ];

  it.each(patterns)('%s accepts the same texts as parseRoleArn', (_, path) => {
    const pattern = new RegExp(String(getValue(schema, `${path}.pattern`)));
    const accepted = texts.filter((text) => pattern.test(text));
    expect(accepted).toEqual(texts.filter((text) => parseRoleArn(text) !== undefined));
    expect(accepted).toHaveLength(6);
  });
});

describe('names of variables in values.schema.json', () => {
  const path = 'definitions.environmentName';
  const allowed = new RegExp(String(getValue(schema, `${path}.pattern`)));
  const refused = new RegExp(String(getValue(schema, `${path}.not.pattern`)));
  const names = [
    ...ENV_DENY_LIST.flatMap((name) => [name, name.toLowerCase()]),
    ...['AWS_REGION', 'NODE_ENV', 'DD_AGENT_HOST', 'LOCPATH_OF_MESH', 'TZ', 'HTTPS_PROXY'],
  ];
  it.each([
    'properties.sidecar.properties.allowedChanges.properties.env.items',
    'definitions.extraEnv.items.properties.name',
  ])('%s is such a name', (place) => {
    expect(getValue(schema, `${place}.$ref`)).toBe('#/definitions/environmentName');
  });

  it.each(names)('agrees with the webhook about %s', (name) => {
    expect(allowed.test(name) && !refused.test(name)).toBe(mayBeAddedToSidecar(name));
  });
});

describe('templates', () => {
  /** Functions whose results differ between two renderings of one commit. */
  const UNSTABLE =
    /\b(rand\w+|gen(PrivateKey|CA\w*|SelfSigned\w*|SignedCert\w*)|derivePassword|bcrypt|htpasswd|encryptAES|uuidv4|shuffle|now|ago|date\w*|date_\w+|htmlDate\w*|getHostByName|env|expandenv|lookup)\b/g;
  const uses = globSync('templates/**/*.{yaml,tpl,txt}', { cwd: chart })
    .sort()
    .flatMap((file) =>
      // Actions without their texts and comments.
      Array.from(
        readText('charts/valetkey', file).matchAll(/\{\{(?!-? *\/\*).*?\}\}/gs),
        ([action]) => action.replaceAll(/"(?:[^"\\]|\\.)*"|\.[\w.]+|\$[\w.]+/g, ''),
      ).flatMap((action) => Array.from(action.matchAll(UNSTABLE), ([name]) => `${file}: ${name}`)),
    );

  it('use no function whose result changes, except the one lookup that docs/gitops.md explains', () => {
    expect(uses).toEqual(['templates/_helpers.tpl: lookup']);
    expect(readText('docs', 'gitops.md')).toContain('`lookup`');
  });
});

describe('values.yaml', () => {
  it('contains every setting that the webhook reads', () => {
    const fixture: unknown = parse(readText('lib', 'config', 'fixtures', 'platform.yaml'));
    // The image is a top-level value, the endpoint follows from the namespace, the role of the export
    // is that of the publisher, and the others are empty by default.
    const elsewhere =
      /^\.sidecar\.image|^\.authority\.endpoint|\.maxResources\.|\.mintingActions\.|\.auditExport\.role/;
    const toValue = (path: string) => path.replace('.auditExport.', '.audit.export.');
    const missing = listKeys(fixture, '')
      .filter((path) => !elsewhere.test(path))
      .filter((path) => getValue(values, toValue(path).slice(1)) === undefined);
    expect(missing).toEqual([]);
  });

  it('has the port at which the webhook listens by default', () => {
    expect(getValue(values, 'webhook.port')).toBe(WEBHOOK_LISTEN);
  });

  it('has the defaults of new installations that docs/upgrading.md states', () => {
    const page = readText('docs', 'upgrading.md');
    expect(page).toMatch(
      new RegExp(`^\\| \`tasks.delivery\` *\\| \`${NEW_INSTALLATION.delivery}\` `, 'm'),
    );
    expect(page).toMatch(
      new RegExp(`^\\| \`policy.vend\` *\\| \`${NEW_INSTALLATION.vend}\` `, 'm'),
    );
  });

  it('has the same defaults as lib/config', () => {
    const rendered = readRenderedPlatform(readObjects(readText('manifests', 'valetkey.yaml')));
    if (typeof rendered === 'string') throw new Error(rendered);
    // The manifest has a sample account; without one, the CLI evaluates for any.
    expect(rendered.tasks.accountIds).toEqual([SAMPLE_ACCOUNT]);
    const tasks = { ...rendered.tasks, accountIds: [ANY_ACCOUNT] };
    expect(readPlatform(DEFAULT_PLATFORM)).toEqual({ ok: true, value: { ...rendered, tasks } });
  });
});
