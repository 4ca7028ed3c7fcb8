import { isMapping } from '../schema/mapping.ts';
import type { JsonPatchOp } from '../contract/json-patch-operation.ts';

/** Builds a JSON pointer (RFC 6901) from unescaped segments. */
export const toJsonPointer = (...segments: readonly (string | number)[]): string =>
  segments.map((segment) => `/${escapeSegment(String(segment))}`).join('');

/** Escapes one segment of a JSON pointer. */
export const escapeSegment = (segment: string): string =>
  /[~/]/.test(segment) ? segment.replaceAll('~', '~0').replaceAll('/', '~1') : segment;

/**
 * Applies operations in order (RFC 6902: `add`, `replace`, `remove`) to a copy.
 *
 * @throws Error if the path of an operation does not exist in the document
 */
export const applyPatch = (document: unknown, operations: readonly JsonPatchOp[]): unknown => {
  const copy = cloneJson(document);
  for (const operation of operations) applyOperation(copy, operation);
  return copy;
};

/** A structured clone would keep shared references, so that two fields would change together. */
const cloneJson = (value: unknown): unknown =>
  value === undefined ? undefined : JSON.parse(JSON.stringify(value));

const applyOperation = (document: unknown, operation: JsonPatchOp): void => {
  const segments = operation.path.split('/').slice(1).map(unescapeSegment);
  const last = segments.pop();
  const parent = segments.reduce<unknown>(
    (at, segment) => getChild(at, segment, operation),
    document,
  );
  if (last === undefined) throw createMissingPathError(operation);
  if (Array.isArray(parent)) applyToList(parent, last, operation);
  else if (isMapping(parent)) applyToMapping(parent, last, operation);
  else throw createMissingPathError(operation);
};

const applyToList = (list: unknown[], segment: string, operation: JsonPatchOp): void => {
  const isAdd = operation.op === 'add';
  const index = isAdd && segment === '-' ? list.length : Number(segment);
  const exists = /^\d+$/.test(String(index)) && index < list.length + (isAdd ? 1 : 0);
  if (!exists) throw createMissingPathError(operation);
  const values = operation.op === 'remove' ? [] : [cloneJson(operation.value)];
  list.splice(index, isAdd ? 0 : 1, ...values);
};

const applyToMapping = (
  mapping: Record<string, unknown>,
  segment: string,
  operation: JsonPatchOp,
): void => {
  if (operation.op !== 'add' && !Object.hasOwn(mapping, segment))
    throw createMissingPathError(operation);
  if (operation.op === 'remove') {
    Reflect.deleteProperty(mapping, segment);
    return;
  }
  // An assignment to __proto__ would change the prototype.
  Object.defineProperty(mapping, segment, {
    value: cloneJson(operation.value),
    writable: true,
    enumerable: true,
    configurable: true,
  });
};

const getChild = (parent: unknown, segment: string, operation: JsonPatchOp): unknown => {
  const exists =
    (isMapping(parent) || Array.isArray(parent)) &&
    Object.hasOwn(parent, segment) &&
    segment !== 'length';
  if (!exists) throw createMissingPathError(operation);
  return (parent as Record<string, unknown>)[segment];
};

const unescapeSegment = (segment: string): string =>
  segment.replaceAll('~1', '/').replaceAll('~0', '~');

const createMissingPathError = ({ op, path }: JsonPatchOp): Error =>
  new Error(`JSON patch: cannot ${op} ${path}: no such path`);
