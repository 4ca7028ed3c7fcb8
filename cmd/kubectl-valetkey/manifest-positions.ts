import { isMap, isScalar, isSeq, LineCounter, parseDocument, type Document } from 'yaml';

import { TASK_ANNOTATION_PREFIX } from '../../lib/contract/names.ts';
import type { FieldError } from '../../lib/schema/field-error.ts';
import type { Path } from '../../lib/injection/embedded-pods.ts';

/** Line and column in a file, both from 1. */
export type Position = { readonly line: number; readonly column: number };

/** One document of a file, and where its lines begin. */
export type Source = {
  readonly text: string;
  readonly lines: LineCounter;
  readonly document: Document;
  /** Number of the document in the file, from 1. */
  readonly number: number;
};

/** Finds the position of a member; of its nearest existing parent if it is absent. */
export const findMember = (path: Path, { document, lines }: Source): Position | undefined => {
  const offset = findOffset(document.contents, path);
  return offset === undefined ? undefined : toPosition(offset, lines);
};

const toPosition = (offset: number, lines: LineCounter): Position => {
  const { line, col } = lines.linePos(offset);
  return { line, column: col };
};

/** A member of a mapping is where its key is: its value may start on a later line. */
const findOffset = (root: unknown, path: Path): number | undefined => {
  let node: unknown = root;
  let offset = getStart(root);
  for (const name of path) {
    const child = isMap(node)
      ? node.items.find(({ key }) => isScalar(key) && String(key.value) === String(name))
      : undefined;
    const item = isSeq(node) ? node.items[Number(name)] : undefined;
    if (child === undefined && item === undefined) return offset;
    offset = getStart(child?.key ?? item) ?? offset;
    node = child?.value ?? item;
  }
  return offset;
};

const getStart = (node: unknown): number | undefined =>
  (node as { readonly range?: readonly [number, number, number] | null } | null)?.range?.[0];

/**
 * Finds the position of a fault of the pod at `pod`: a JSON pointer below the pod, or a path in one
 * of its declarations.
 */
export const findFaultPosition = (
  { source: origin, path }: FieldError,
  pod: Path,
  source: Source,
): Position | undefined => {
  if (origin?.startsWith(TASK_ANNOTATION_PREFIX)) {
    return findInDeclaration(path, [...pod, 'metadata', 'annotations', origin], source);
  }
  const isPointer = origin === undefined && path.startsWith('/');
  return findMember(isPointer ? [...pod, ...parsePointer(path)] : pod, source);
};

const parsePointer = (pointer: string): Path =>
  pointer
    .slice(1)
    .split('/')
    .map((each) => each.replaceAll('~1', '/').replaceAll('~0', '~'));

const findInDeclaration = (
  path: string,
  annotation: Path,
  source: Source,
): Position | undefined => {
  const text = source.document.getIn(annotation);
  const inner = typeof text === 'string' ? findInText(path, text) : undefined;
  const mapped = inner && createPositionMapper(annotation, String(text), source)(inner);
  return mapped ?? findMember(annotation, source);
};

/** `line 3, column 5` of a syntax error, or a path such as `allow[0].actions[0]`. */
const findInText = (path: string, text: string): Position | undefined => {
  const [, line, column = '1'] = /^line (\d+)(?:, column (\d+))?$/.exec(path) ?? [];
  if (line !== undefined) return { line: Number(line), column: Number(column) };
  const lines = new LineCounter();
  const { contents } = parseDocument(text, { lineCounter: lines });
  const offset = findOffset(contents, path.match(/[^.[\]]+/g) ?? []);
  return offset === undefined ? undefined : toPosition(offset, lines);
};

/**
 * Maps positions in the text of a scalar to the file. Only for a block scalar (`|`): other scalars
 * do not preserve lines.
 */
export const createPositionMapper = (
  path: Path,
  value: string,
  { document, lines, text }: Source,
): ((inValue: Position) => Position | undefined) => {
  const node = document.getIn(path, true);
  if (!isScalar(node) || node.type !== 'BLOCK_LITERAL') return () => undefined;
  const header = lines.linePos(node.range?.[0] ?? 0).line;
  const inValue = value.split('\n');
  const first = inValue.findIndex((line) => line.trim() !== '');
  const written = text.split('\n')[header + first]?.trimEnd() ?? '';
  const indent = Math.max(0, written.length - (inValue[first]?.trimEnd().length ?? 0));
  return ({ line, column }) => ({ line: header + line, column: column + indent });
};
