import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { parse, stringify } from 'yaml';

import { renderMarkdownTable } from './markdown-table.ts';
import { RESOURCE_EXAMPLES } from './resource-examples.ts';

const FOLDER = join(import.meta.dirname, '../../charts/valetkey/crds');

type Rule = { readonly rule: string; readonly message?: string };

/** The part of a structural schema that the CRDs of the chart use. */
export type ResourceSchema = {
  readonly type?: string;
  readonly format?: string;
  readonly description?: string;
  readonly required?: readonly string[];
  readonly enum?: readonly string[];
  readonly pattern?: string;
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly properties?: Readonly<Record<string, ResourceSchema>>;
  readonly additionalProperties?: ResourceSchema;
  readonly items?: ResourceSchema;
  readonly 'x-kubernetes-validations'?: readonly Rule[];
};

export type ResourceDefinition = {
  readonly kind: string;
  readonly plural: string;
  readonly scope: string;
  readonly version: string;
  readonly schema: ResourceSchema;
};

type Crd = {
  readonly spec: {
    readonly scope: string;
    readonly names: { readonly kind: string; readonly plural: string };
    readonly versions: readonly {
      readonly name: string;
      readonly schema: { readonly openAPIV3Schema: ResourceSchema };
    }[];
  };
};

/** The custom resources of the chart, by their kinds. */
export const readResourceDefinitions = (): readonly ResourceDefinition[] =>
  readdirSync(FOLDER)
    .sort()
    .flatMap((file) => {
      const { spec } = parse(readFileSync(join(FOLDER, file), 'utf8')) as Crd;
      const { kind, plural } = spec.names;
      return spec.versions.map(({ name, schema }) => ({
        ...{ kind, plural, scope: spec.scope, version: name },
        schema: schema.openAPIV3Schema,
      }));
    });

type Field = {
  readonly path: string;
  readonly schema: ResourceSchema;
  readonly isRequired: boolean;
};

const listFields = (schema: ResourceSchema, path: string): readonly Field[] => {
  const { properties = {}, items, additionalProperties, required = [] } = schema;
  const members = Object.entries(properties).flatMap(([name, member]) => {
    const place = path === '' ? name : `${path}.${name}`;
    const field = { path: place, schema: member, isRequired: required.includes(name) };
    return [field, ...listFields(member, place)];
  });
  const inner = [
    ...(items === undefined ? [] : [[`${path}[]`, items] as const]),
    ...(additionalProperties === undefined
      ? []
      : [[`${path}.{name}`, additionalProperties] as const]),
  ];
  return [
    ...members,
    ...inner.flatMap(([place, each]) => [
      ...(each.type === 'object' ? [] : [{ path: place, schema: each, isRequired: true }]),
      ...listFields(each, place),
    ]),
  ];
};

const describeRange = (
  what: string,
  min: number | undefined,
  max: number | undefined,
): readonly string[] => {
  if (min === undefined && max === undefined) return [];
  if (max === undefined) return [`at least ${min ?? 0} ${what}`.trim()];
  return [(min === undefined ? `at most ${max} ${what}` : `${min} to ${max} ${what}`).trim()];
};

const escapeCell = (text: string): string => text.replaceAll('|', String.raw`\|`);

const describeValues = (schema: ResourceSchema): string =>
  [
    ...(schema.enum === undefined ? [] : [schema.enum.map((each) => `\`${each}\``).join(', ')]),
    ...(schema.pattern === undefined ? [] : [`\`${schema.pattern}\``]),
    ...describeRange('', schema.minimum, schema.maximum),
    ...describeRange('characters', schema.minLength, schema.maxLength),
    ...describeRange('entries', schema.minItems, schema.maxItems),
    ...describeRange('entries', schema.minProperties, schema.maxProperties),
    ...(schema.default === undefined ? [] : [`default \`${JSON.stringify(schema.default)}\``]),
  ].join('; ');

const describeType = ({ type = 'object', format, items }: ResourceSchema): string => {
  const name = type === 'array' ? `list of ${items?.type ?? 'object'}` : type;
  return format === undefined ? name : `${name} (${format})`;
};

const renderFields = (schema: ResourceSchema): string =>
  renderMarkdownTable(
    ['field', 'type', 'required', 'values', 'meaning'],
    listFields(schema, '').map((field) => [
      `\`${field.path}\``,
      describeType(field.schema),
      field.isRequired ? 'yes' : '',
      escapeCell(describeValues(field.schema)),
      escapeCell(field.schema.description ?? ''),
    ]),
  );

const listRules = (schema: ResourceSchema, path: string): readonly (readonly string[])[] => [
  ...(schema['x-kubernetes-validations'] ?? []).map(({ rule, message }) => [
    path === '' ? 'the object' : `\`${path}\``,
    escapeCell(message ?? `\`${rule}\``),
  ]),
  ...Object.entries(schema.properties ?? {}).flatMap(([name, member]) =>
    listRules(member, path === '' ? name : `${path}.${name}`),
  ),
  ...(schema.items === undefined ? [] : listRules(schema.items, `${path}[]`)),
  ...(schema.additionalProperties === undefined
    ? []
    : listRules(schema.additionalProperties, `${path}.{name}`)),
];

const renderRules = (schema: ResourceSchema): string => {
  const rules = listRules(schema, '');
  if (rules.length === 0) return '';
  return `The API server also checks:\n\n${renderMarkdownTable(['field', 'rule'], rules)}\n\n`;
};

const renderResource = ({ kind, plural, scope, version, schema }: ResourceDefinition): string => {
  const example = stringify(RESOURCE_EXAMPLES[kind], { lineWidth: 0 });
  return `## ${kind}

${schema.description ?? ''}

\`${plural}.valetkey.dev\`, version \`${version}\`, ${scope === 'Cluster' ? 'of the cluster' : 'of a namespace'}.

\`\`\`yaml
${example}\`\`\`

${renderFields(schema)}

${renderRules(schema)}`.trimEnd();
};

/** Renders `docs/resources.md` from the CRDs of the chart. */
export const renderResourcesPage = (): string => `# Custom resources

<!-- Generated by \`make docs\` from charts/valetkey/crds and tools/docs/resource-examples.ts; do not edit. -->

The API server checks every field and every rule of this page, also while no program of Valetkey runs. Unknown fields are
dropped or refused, as the client asks. Who may write which object: [admission-policies.md](admission-policies.md).

${readResourceDefinitions().map(renderResource).join('\n\n')}
`;
