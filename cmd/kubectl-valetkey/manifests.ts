import { toMapping } from '../../lib/schema/mapping.ts';
import { isScalar, LineCounter, parseAllDocuments, type Document } from 'yaml';

import { API_GROUP, API_VERSION } from '../../lib/contract/authority-api.ts';
import { formatValue, type FieldError } from '../../lib/schema/field-error.ts';

/** Line and column in a file, both from 1. */
export type Position = { readonly line: number; readonly column: number };

/** One object in a file of manifests. */
export type Manifest = {
  /** Number of its document in the file, from 1. */
  readonly document: number;
  readonly kind: string;
  readonly name: string;
  /** `metadata.namespace`, if present. */
  readonly namespace?: string;
  readonly content: Content;
};

type Content =
  | {
      readonly type: 'pod';
      readonly pod: object;
      /** Path of the pod in the object: `/spec/template`, or empty for a Pod. */
      readonly at: string;
    }
  | {
      readonly type: 'policy';
      readonly cedar: string;
      /** Maps a position in the Cedar text to the file; undefined if the text is not a block scalar. */
      readonly toFilePosition: (inCedar: Position) => Position | undefined;
    }
  | { readonly type: 'namespace'; readonly labels: StringMap }
  | { readonly type: 'serviceAccount'; readonly annotations: StringMap }
  | { readonly type: 'other' }
  | { readonly type: 'unreadable'; readonly faults: readonly (FieldError & Partial<Position>)[] };

type StringMap = Readonly<Record<string, string>>;

/** Path of the pod template by kind. */
const TEMPLATES: Readonly<Record<string, readonly string[]>> = {
  Deployment: ['spec', 'template'],
  ReplicaSet: ['spec', 'template'],
  StatefulSet: ['spec', 'template'],
  DaemonSet: ['spec', 'template'],
  Job: ['spec', 'template'],
  CronJob: ['spec', 'jobTemplate', 'spec', 'template'],
};

/** Reads the objects of a YAML or JSON file, including the items of `kind: List`. */
export const readManifests = (text: string): readonly Manifest[] => {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false });
  if (!Array.isArray(documents)) return [];
  return documents.flatMap((document, index) => {
    const source = { text, lines, document, number: index + 1 };
    const unreadable = findDocumentErrors(source);
    return unreadable === undefined ? readObject(toPlainValue(document), [], source) : [unreadable];
  });
};

type Source = {
  readonly text: string;
  readonly lines: LineCounter;
  readonly document: Document;
  readonly number: number;
};

const findDocumentErrors = ({ document, lines, number }: Source): Manifest | undefined => {
  if (document.errors.length === 0) return undefined;
  const faults = document.errors.slice(0, 3).map(({ message, pos: [start] }) => {
    const { line, col } = lines.linePos(start);
    return { path: '(document)', expected: 'YAML', got: formatValue(message), line, column: col };
  });
  return { document: number, kind: 'document', name: '', content: { type: 'unreadable', faults } };
};

const toPlainValue = (document: Document): unknown => {
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch {
    return undefined;
  }
};

const readObject = (value: unknown, path: Path, source: Source): readonly Manifest[] => {
  if (value === null || value === undefined) return [];
  const object = toMapping(value);
  const { kind, apiVersion, items } = object;
  if (kind === 'List' && Array.isArray(items)) {
    return items.flatMap((item, index) => readObject(item, [...path, 'items', index], source));
  }
  const { name, generateName, namespace } = toMapping(object['metadata']);
  return [
    {
      document: source.number,
      kind: typeof kind === 'string' ? kind : 'object without a kind',
      name: [name, generateName].find((each) => typeof each === 'string') ?? '',
      ...(typeof namespace === 'string' && { namespace }),
      content: readContent({ kind, apiVersion, object }, path, source),
    },
  ];
};

type Path = readonly (string | number)[];
type Members = Readonly<Record<string, unknown>>;
type Typed = { readonly kind: unknown; readonly apiVersion: unknown; readonly object: Members };

const readContent = ({ kind, apiVersion, object }: Typed, path: Path, source: Source): Content => {
  if (kind === 'Pod') return { type: 'pod', pod: withMetadata(object, object), at: '' };
  if (typeof kind === 'string' && Object.hasOwn(TEMPLATES, kind)) {
    const at = TEMPLATES[kind] ?? [];
    const template = at.reduce<Members>((inner, name) => toMapping(inner[name]), object);
    return { type: 'pod', pod: withMetadata(template, object), at: `/${at.join('/')}` };
  }
  const { labels, annotations } = toMapping(object['metadata']);
  if (kind === 'Namespace' && apiVersion === 'v1') {
    return { type: 'namespace', labels: readStringMap(labels) };
  }
  if (kind === 'ServiceAccount' && apiVersion === 'v1') {
    return { type: 'serviceAccount', annotations: readStringMap(annotations) };
  }
  if (kind !== 'TaskPolicy' || !String(apiVersion).startsWith(`${API_GROUP}/`)) {
    return { type: 'other' };
  }
  const faults = checkPolicyObject({ apiVersion, object });
  if (faults.length > 0) return { type: 'unreadable', faults };
  const cedar = toMapping(object['spec'])['cedar'] as string;
  return {
    type: 'policy',
    cedar,
    toFilePosition: createPositionMapper([...path, 'spec', 'cedar'], cedar, source),
  };
};

/** Adds the name of the containing object to the pod of a template. */
const withMetadata = (template: Members, { metadata }: Members): object => ({
  ...template,
  metadata: { name: toMapping(metadata)['name'], ...toMapping(template['metadata']) },
});

/** Checks a TaskPolicy as its CRD does. */
const checkPolicyObject = ({ apiVersion, object }: Omit<Typed, 'kind'>): readonly FieldError[] => {
  const expect = (
    isValid: boolean,
    path: string,
    expected: string,
    got: unknown,
  ): readonly FieldError[] => (isValid ? [] : [{ path, expected, got: formatValue(got) }]);
  const { name } = toMapping(object['metadata']);
  const { cedar } = toMapping(object['spec']);
  const version = `${API_GROUP}/${API_VERSION}`;
  return [
    ...expect(apiVersion === version, 'apiVersion', version, apiVersion),
    ...expect(typeof name === 'string' && name !== '', 'metadata.name', 'a name', name),
    ...expect(typeof cedar === 'string' && cedar !== '', 'spec.cedar', 'Cedar policies', cedar),
  ];
};

/** Maps positions only for a block scalar (`|`): other scalars do not preserve lines. */
const createPositionMapper = (path: Path, cedar: string, { document, lines, text }: Source) => {
  const node = document.getIn(path, true);
  if (!isScalar(node) || node.type !== 'BLOCK_LITERAL') return () => undefined;
  const header = lines.linePos(node.range?.[0] ?? 0).line;
  const inCedar = cedar.split('\n');
  const first = inCedar.findIndex((line) => line.trim() !== '');
  const written = text.split('\n')[header + first]?.trimEnd() ?? '';
  const indent = Math.max(0, written.length - (inCedar[first]?.trimEnd().length ?? 0));
  return ({ line, column }: Position): Position => ({
    line: header + line,
    column: column + indent,
  });
};

/** Reads a map of strings. Other values are ignored, because the API server rejects them. */
const readStringMap = (value: unknown): StringMap =>
  Object.fromEntries(
    Object.entries(toMapping(value)).flatMap(([name, text]) =>
      typeof text === 'string' ? [[name, text] as const] : [],
    ),
  );
