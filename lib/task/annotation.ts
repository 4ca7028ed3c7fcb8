import { isAlias, isCollection, isMap, isScalar, isSeq, parseDocument } from 'yaml';
import { MAX_TASK_BYTES } from '../contract/task.ts';
import { show, type Fault } from '../reading/fault.ts';
import { hasHidden } from './text.ts';

const MAX_DEPTH = 8;
/** The parser's work grows faster than its input where brackets nest. */
const MAX_BRACKETS = 256;
/**
 * The parser takes some steps at each mark of YAML and none between them: this bounds its work. A
 * declaration of 4 KiB that says something has a third of them.
 */
const MAX_MARKS = 768;
const MARK = /[\n,[\]{}"'\\!&*#?|>%@`]|[:-](?=\s|$)/g;
/** Further ones are mostly consequences of the first. */
const MAX_SYNTAX_FAULTS = 3;

/** What an annotation says, and what is wrong with how it says it. */
export type ParsedAnnotation = {
  /** Mappings, lists and strings; nothing where the text could not be read at all. */
  readonly value?: unknown;
  readonly faults: readonly Fault[];
};

/**
 * Parses strict YAML 1.2 into mappings, lists and strings: no scalar is anything but a string, so
 * that `10m` and `012345678901` stay what their author wrote. No duplicate keys, anchors, aliases,
 * tags, directives or policy variables, and nothing that one cannot see.
 */
export const parseAnnotation = (text: string): ParsedAnnotation => {
  const unreadable = judgeText(text);
  if (unreadable !== undefined) return { faults: [unreadable] };
  const document = parseDocument(text, OPTIONS);
  const problems = [...document.errors, ...document.warnings].slice(0, MAX_SYNTAX_FAULTS);
  if (problems.length > 0) return { faults: problems.map((each) => syntaxFault(text, each)) };
  const faults: Fault[] = [];
  const value = toPlain(document.contents, { path: '', depth: 0, faults });
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

const judgeText = (text: string): Fault | undefined => {
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_TASK_BYTES) return rootFault(`at most ${MAX_TASK_BYTES} bytes`, `${bytes}`);
  const lines = text.split('\n');
  const hidden = lines.findIndex((line) => hasHidden(line));
  if (hidden >= 0) return lineFault(hidden, VISIBLE, lines);
  const directive = lines.findIndex((line) => line.startsWith('%'));
  if (directive >= 0) return lineFault(directive, 'YAML without directives', lines);
  return judgeMarks(text);
};

const judgeMarks = (text: string): Fault | undefined => {
  const brackets = text.split(/[[{]/).length - 1;
  if (brackets > MAX_BRACKETS) {
    return rootFault(`at most ${MAX_BRACKETS} opening brackets`, `${brackets}`);
  }
  const marks = text.match(MARK)?.length ?? 0;
  const expected = `at most ${MAX_MARKS} marks of YAML (line ends, commas, quotes and their like)`;
  return marks > MAX_MARKS ? rootFault(expected, `${marks}`) : undefined;
};

const VISIBLE = 'text without control, bidirectional or invisible characters';

const lineFault = (index: number, expected: string, lines: readonly string[]): Fault => ({
  path: `line ${index + 1}`,
  expected,
  got: show(lines[index]),
});

const rootFault = (expected: string, got: string): Fault => ({ path: '(root)', expected, got });

type Problem = { readonly code: string; readonly pos: readonly [number, number] };

const syntaxFault = (text: string, { code, pos: [start] }: Problem): Fault => {
  const before = text.slice(0, start).split('\n');
  return {
    path: `line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}`,
    expected: EXPECTED[code] ?? 'strict YAML',
    got: `${show(text.slice(start).split('\n')[0])} (${code})`,
  };
};

const EXPECTED: Readonly<Record<string, string>> = {
  DUPLICATE_KEY: 'each key once',
  MULTIPLE_DOCS: 'one YAML document',
  TAG_RESOLVE_FAILED: 'YAML without tags',
};

type Place = { readonly path: string; readonly depth: number; readonly faults: Fault[] };

const toPlain = (node: unknown, place: Place): unknown => {
  const fault = judgeNode(node, place);
  if (fault !== undefined) refuseNode(place, fault);
  if (place.depth > MAX_DEPTH || isAlias(node)) return undefined;
  if (isScalar(node)) return node.value;
  if (isSeq(node)) {
    return node.items.map((item, index) => toPlain(item, inside(place, `${place.path}[${index}]`)));
  }
  if (!isMap(node)) return '';
  return Object.fromEntries(node.items.flatMap(({ key, value }) => toEntry(key, value, place)));
};

const refuseNode = ({ path, faults }: Place, fault: Complaint): void => {
  faults.push({ path: path === '' ? '(root)' : path, ...fault });
};

const toEntry = (
  key: unknown,
  value: unknown,
  place: Place,
): readonly (readonly [string, unknown])[] => {
  const name = toPlain(key, inside(place, join(place, '(key)')));
  if (typeof name !== 'string') {
    refuseNode(place, { expected: 'plain text as key', got: 'another key' });
    return [];
  }
  return [[name, toPlain(value, inside(place, join(place, name)))]];
};

const join = ({ path }: Place, name: string): string => (path === '' ? name : `${path}.${name}`);

const inside = (place: Place, path: string): Place => ({ ...place, path, depth: place.depth + 1 });

type Complaint = Omit<Fault, 'path'>;

const judgeNode = (node: unknown, { depth }: Place): Complaint | undefined => {
  if (depth > MAX_DEPTH) return { expected: `at most ${MAX_DEPTH} levels`, got: 'deeper nesting' };
  if (isAlias(node)) return { expected: 'YAML without aliases', got: show(`*${node.source}`) };
  if (!isScalar(node) && !isCollection(node)) return undefined;
  if (node.anchor !== undefined) {
    return { expected: 'YAML without anchors', got: show(`&${node.anchor}`) };
  }
  if (node.tag !== undefined) return { expected: 'YAML without tags', got: show(node.tag) };
  return isScalar(node) ? judgeScalar(node.value) : undefined;
};

const judgeScalar = (value: unknown): Complaint | undefined => {
  if (typeof value !== 'string') return { expected: 'text', got: show(value) };
  if (hasHidden(value)) return { expected: `one line of ${VISIBLE}`, got: show(value) };
  return value.includes('${')
    ? { expected: 'text without policy variables ${…}', got: show(value) }
    : undefined;
};
