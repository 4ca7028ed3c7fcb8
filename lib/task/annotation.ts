import { isAlias, isCollection, isMap, isScalar, isSeq, parseDocument } from 'yaml';
import { MAX_TASK_BYTES } from '../contract/task.ts';
import { formatValue, type FieldError } from '../schema/field-error.ts';
import { hasHiddenCharacters } from './hidden-characters.ts';

const MAX_DEPTH = 8;
/** The parser's time grows faster than linearly with nested brackets. */
const MAX_BRACKETS = 256;
/**
 * Bounds the parser's time, which is proportional to the number of YAML indicators. A realistic
 * declaration of 4 KiB has a third of them.
 */
const MAX_MARKS = 768;
const MARK = /[\n,[\]{}"'\\!&*#?|>%@`]|[:-](?=\s|$)/g;
/** Further errors are mostly consequences of the first ones. */
const MAX_SYNTAX_ERRORS = 3;

/** The parsed value of an annotation, and the errors of its text. */
export type ParsedAnnotation = {
  /** Mappings, lists and strings; absent if the text could not be parsed at all. */
  readonly value?: unknown;
  readonly faults: readonly FieldError[];
};

/**
 * Parses strict YAML 1.2 into mappings, lists and strings. Every scalar is a string, so that `10m` and
 * `012345678901` are not converted. Rejects duplicate keys, anchors, aliases, tags, directives, IAM
 * policy variables and invisible characters.
 */
export const parseAnnotation = (text: string): ParsedAnnotation => {
  const unreadable = checkText(text);
  if (unreadable !== undefined) return { faults: [unreadable] };
  const document = parseDocument(text, OPTIONS);
  const problems = [...document.errors, ...document.warnings].slice(0, MAX_SYNTAX_ERRORS);
  if (problems.length > 0) return { faults: problems.map((each) => toSyntaxError(text, each)) };
  const faults: FieldError[] = [];
  const value = toPlainValue(document.contents, { path: '', depth: 0, faults });
  return { value, faults };
};

const OPTIONS = {
  version: '1.2',
  schema: 'failsafe',
  uniqueKeys: true,
  strict: true,
  merge: false,
  prettyErrors: false,
} as const;

const checkText = (text: string): FieldError | undefined => {
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_TASK_BYTES) return buildRootError(`at most ${MAX_TASK_BYTES} bytes`, `${bytes}`);
  const lines = text.split('\n');
  const hidden = lines.findIndex((line) => hasHiddenCharacters(line));
  if (hidden >= 0) return buildLineError(hidden, VISIBLE, lines);
  const directive = lines.findIndex((line) => line.startsWith('%'));
  if (directive >= 0) return buildLineError(directive, 'YAML without directives', lines);
  return checkMarks(text);
};

const checkMarks = (text: string): FieldError | undefined => {
  const brackets = text.split(/[[{]/).length - 1;
  if (brackets > MAX_BRACKETS) {
    return buildRootError(`at most ${MAX_BRACKETS} opening brackets`, `${brackets}`);
  }
  const marks = text.match(MARK)?.length ?? 0;
  const expected = `at most ${MAX_MARKS} YAML indicators (line ends, commas, quotes and similar)`;
  return marks > MAX_MARKS ? buildRootError(expected, `${marks}`) : undefined;
};

const VISIBLE = 'text without control, bidirectional or invisible characters';

const buildLineError = (index: number, expected: string, lines: readonly string[]): FieldError => ({
  path: `line ${index + 1}`,
  expected,
  got: formatValue(lines[index]),
});

const buildRootError = (expected: string, got: string): FieldError => ({
  path: '(root)',
  expected,
  got,
});

type YamlProblem = { readonly code: string; readonly pos: readonly [number, number] };

const toSyntaxError = (text: string, { code, pos: [start] }: YamlProblem): FieldError => {
  const before = text.slice(0, start).split('\n');
  return {
    path: `line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}`,
    expected: EXPECTED[code] ?? 'strict YAML',
    got: `${formatValue(text.slice(start).split('\n')[0])} (${code})`,
  };
};

const EXPECTED: Readonly<Record<string, string>> = {
  DUPLICATE_KEY: 'each key once',
  MULTIPLE_DOCS: 'one YAML document',
  TAG_RESOLVE_FAILED: 'YAML without tags',
};

type NodePosition = {
  readonly path: string;
  readonly depth: number;
  readonly faults: FieldError[];
};

const toPlainValue = (node: unknown, place: NodePosition): unknown => {
  const fault = checkNode(node, place);
  if (fault !== undefined) rejectNode(place, fault);
  if (place.depth > MAX_DEPTH || isAlias(node)) return undefined;
  if (isScalar(node)) return node.value;
  if (isSeq(node)) {
    return node.items.map((item, index) =>
      toPlainValue(item, toChildPosition(place, `${place.path}[${index}]`)),
    );
  }
  if (!isMap(node)) return '';
  return Object.fromEntries(node.items.flatMap(({ key, value }) => toEntry(key, value, place)));
};

const rejectNode = ({ path, faults }: NodePosition, fault: NodeError): void => {
  faults.push({ path: path === '' ? '(root)' : path, ...fault });
};

const toEntry = (
  key: unknown,
  value: unknown,
  place: NodePosition,
): readonly (readonly [string, unknown])[] => {
  const name = toPlainValue(key, toChildPosition(place, joinPath(place, '(key)')));
  if (typeof name !== 'string') {
    rejectNode(place, { expected: 'plain text as key', got: 'another key' });
    return [];
  }
  return [[name, toPlainValue(value, toChildPosition(place, joinPath(place, name)))]];
};

const joinPath = ({ path }: NodePosition, name: string): string =>
  path === '' ? name : `${path}.${name}`;

const toChildPosition = (place: NodePosition, path: string): NodePosition => ({
  ...place,
  path,
  depth: place.depth + 1,
});

type NodeError = Omit<FieldError, 'path'>;

const checkNode = (node: unknown, { depth }: NodePosition): NodeError | undefined => {
  if (depth > MAX_DEPTH) return { expected: `at most ${MAX_DEPTH} levels`, got: 'deeper nesting' };
  if (isAlias(node))
    return { expected: 'YAML without aliases', got: formatValue(`*${node.source}`) };
  if (!isScalar(node) && !isCollection(node)) return undefined;
  if (node.anchor !== undefined) {
    return { expected: 'YAML without anchors', got: formatValue(`&${node.anchor}`) };
  }
  if (node.tag !== undefined) return { expected: 'YAML without tags', got: formatValue(node.tag) };
  return isScalar(node) ? checkScalar(node.value) : undefined;
};

const checkScalar = (value: unknown): NodeError | undefined => {
  if (typeof value !== 'string') return { expected: 'text', got: formatValue(value) };
  if (hasHiddenCharacters(value))
    return { expected: `one line of ${VISIBLE}`, got: formatValue(value) };
  return value.includes('${')
    ? { expected: 'text without policy variables ${…}', got: formatValue(value) }
    : undefined;
};
