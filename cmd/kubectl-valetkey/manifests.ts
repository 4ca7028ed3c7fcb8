import { toMapping } from '../../lib/schema/mapping.ts';
import { LineCounter, parseAllDocuments, type Document } from 'yaml';

import { API_GROUP, API_VERSION } from '../../lib/contract/authority-api.ts';
import { formatValue, type FieldError } from '../../lib/schema/field-error.ts';
import { findNearMisses } from '../../lib/injection/near-misses.ts';
import { findEmbeddedPods, toPointer, type Path } from '../../lib/injection/embedded-pods.ts';
import {
  createPositionMapper,
  findFaultPosition,
  findMember,
  type Position,
  type Source,
} from './manifest-positions.ts';

/** One object in a file of manifests. */
export type Manifest = {
  /** Number of its document in the file, from 1. */
  readonly document: number;
  readonly kind: string;
  readonly name: string;
  /** `metadata.namespace`, if present. */
  readonly namespace?: string;
  /** Absent: the document is not YAML. */
  readonly position?: Position;
  readonly content: Content;
};

/** A pod in an object. */
export type ManifestPod = {
  readonly pod: object;
  /** JSON pointer to it in the object: `/spec/template`, or empty for a Pod. */
  readonly at: string;
  /** Finds a fault of the pod, or of one of its declarations, in the file. */
  readonly findPosition: (fault: FieldError) => Position | undefined;
};

type PlacedFault = FieldError & Partial<Position>;

type Content =
  | {
      readonly type: 'workload';
      /** The whole object. */
      readonly object: object;
      readonly pods: readonly ManifestPod[];
      /** Declarations that belong to no pod, so that admission cannot be previewed. */
      readonly stray: readonly PlacedFault[];
      /** Texts that seem to contain a declaration, which is not read. */
      readonly texts: readonly PlacedFault[];
    }
  | {
      readonly type: 'policy';
      readonly cedar: string;
      /** Maps a position in the Cedar text to the file; to the key if the text is not a block scalar. */
      readonly toFilePosition: (inCedar: Position) => Position | undefined;
    }
  /** As it is written; it is parsed where it is used. */
  | { readonly type: 'upstream'; readonly stored: object }
  | { readonly type: 'namespace'; readonly labels: StringMap }
  | { readonly type: 'serviceAccount'; readonly annotations: StringMap }
  | { readonly type: 'other' }
  | { readonly type: 'unreadable'; readonly faults: readonly PlacedFault[] };

type StringMap = Readonly<Record<string, string>>;

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
  const position = findMember(path, source);
  return [
    {
      document: source.number,
      ...(position && { position }),
      kind: typeof kind === 'string' ? kind : 'object without a kind',
      name: [name, generateName].find((each) => typeof each === 'string') ?? '',
      ...(typeof namespace === 'string' && { namespace }),
      content: readContent({ kind, apiVersion, object }, path, source),
    },
  ];
};

type Members = Readonly<Record<string, unknown>>;
type Typed = { readonly kind: unknown; readonly apiVersion: unknown; readonly object: Members };

const readContent = ({ kind, apiVersion, object }: Typed, path: Path, source: Source): Content => {
  const { labels, annotations } = toMapping(object['metadata']);
  if (kind === 'Namespace' && apiVersion === 'v1') {
    return { type: 'namespace', labels: readStringMap(labels) };
  }
  if (kind === 'ServiceAccount' && apiVersion === 'v1') {
    return { type: 'serviceAccount', annotations: readStringMap(annotations) };
  }
  if (kind === 'Upstream' && apiVersion === `${API_GROUP}/${API_VERSION}`) {
    return { type: 'upstream', stored: object };
  }
  if (kind !== 'TaskPolicy' || !String(apiVersion).startsWith(`${API_GROUP}/`)) {
    return readWorkload(object, path, source);
  }
  const faults = checkPolicyObject({ apiVersion, object });
  if (faults.length > 0) return { type: 'unreadable', faults };
  const cedar = toMapping(object['spec'])['cedar'] as string;
  const at = [...path, 'spec', 'cedar'];
  const toFile = createPositionMapper(at, cedar, source);
  return {
    type: 'policy',
    cedar,
    toFilePosition: (inCedar) => toFile(inCedar) ?? findMember(at, source),
  };
};

const readWorkload = (object: Members, path: Path, source: Source): Content => {
  const { pods, stray, texts } = findEmbeddedPods(object);
  const place = (at: Path, fault: Omit<FieldError, 'path'>): PlacedFault => ({
    path: toPointer(at),
    ...fault,
    ...findMember([...path, ...at], source),
  });
  const { annotations } = toMapping(object['metadata']);
  const isMistaken = findNearMisses(toMapping(annotations)).length > 0;
  if (pods.length + stray.length + texts.length === 0 && !isMistaken) return { type: 'other' };
  return {
    type: 'workload',
    object,
    pods: pods.map(({ template, at }) => ({
      pod: withMetadata(template, object),
      at: toPointer(at),
      findPosition: (fault) => findFaultPosition(fault, [...path, ...at], source),
    })),
    stray: stray.map((at) => place(at, STRAY)),
    texts: texts.map((at) => place(at, TEXT)),
  };
};

const STRAY = {
  expected:
    'a declaration in metadata.annotations beside spec.containers; render templates and patches first (helm template, kustomize build)',
  got: 'a declaration outside any pod: it cannot be checked',
};
const TEXT = {
  expected: 'a declaration in an object; lint the manifest in this text as a file of its own',
  got: 'a declaration inside a text: it is not checked',
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

/** Reads a map of strings. Other values are ignored, because the API server rejects them. */
const readStringMap = (value: unknown): StringMap =>
  Object.fromEntries(
    Object.entries(toMapping(value)).flatMap(([name, text]) =>
      typeof text === 'string' ? [[name, text] as const] : [],
    ),
  );
