import { decodeCbor } from './cbor.ts';
import { InputError, MAX_DEPTH, MAX_VALUES } from './input-error.ts';

const FORM = /^application\/x-www-form-urlencoded(?:; ?charset=utf-8)?$/i;
const JSON_TYPE = /^application\/(?:x-amz-)?json(?:-1\.[01])?(?:; ?charset=utf-8)?$/i;
const CBOR_TYPE = /^application\/(?:cbor|x-amz-cbor-1\.[01])$/i;

const decodeText = (body: Uint8Array): string => {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body);
  } catch {
    throw new InputError('expected a body in UTF-8');
  }
};

const STRUCTURE = new Set('{}[],:');

/** @returns where a string of JSON ends, from its first quote */
const findStringEnd = (text: string, from: number): number => {
  for (let end = text.indexOf('"', from + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let escapes = 0;
    while (text[end - 1 - escapes] === '\\') escapes += 1;
    if (escapes % 2 === 0) return end + 1;
  }
  return text.length;
};

/**
 * Lists strings, and the characters that structure a JSON text. All else is of no interest here. No
 * regular expression: for a long string it would need a multiple of its memory.
 */
function* listTokens(text: string): Generator<string> {
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at] ?? '';
    if (STRUCTURE.has(character)) yield character;
    else if (character === '"') {
      const end = findStringEnd(text, at);
      yield text.slice(at, end);
      at = end - 1;
    }
  }
}

/** Refuses a text of too many values before they are in memory. */
const checkSize = (text: string): void => {
  let values = 0;
  for (const token of listTokens(text)) {
    if (token === ',' || token === '{' || token === '[') values += 1;
    if (values > MAX_VALUES)
      throw new InputError(`expected a body of at most ${MAX_VALUES} values`);
  }
};

/**
 * Refuses a name that an object has twice, because readers differ in which value they take.
 *
 * @param text valid JSON
 */
const checkNames = (text: string): void => {
  const open: (Set<string> | undefined)[] = [];
  let last = '';
  for (const token of listTokens(text)) {
    if (token === '{' || token === '[') {
      if (open.push(token === '{' ? new Set() : undefined) > MAX_DEPTH) {
        throw new InputError(`expected a body of at most ${MAX_DEPTH} levels`);
      }
    } else if (token === '}' || token === ']') open.pop();
    else if (token === ':') {
      const name = JSON.parse(last) as string;
      if (open.at(-1)?.has(name) === true) throw new InputError('expected each name of JSON once');
      open.at(-1)?.add(name);
    }
    last = token;
  }
};

const parseJson = (body: Uint8Array): unknown => {
  if (body.length === 0) return {};
  const text = decodeText(body);
  checkSize(text);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new InputError('expected a body of JSON');
  }
  checkNames(text);
  return value;
};

const decodeComponent = (text: string): string => {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    throw new InputError('expected percent-encoded UTF-8 in the form');
  }
};

/**
 * Parses the form of protocol `query` (`application/x-www-form-urlencoded`).
 *
 * @returns undefined for a body of another type
 * @throws InputError for a field that is given twice, and for invalid encoding
 */
export const parseForm = (
  headers: ReadonlyMap<string, string>,
  body: Uint8Array | undefined,
): ReadonlyMap<string, string> | undefined => {
  const type = headers.get('content-type') ?? '';
  if (body === undefined || !/^application\/x-www-form-urlencoded\b/i.test(type)) return undefined;
  if (!FORM.test(type)) throw new InputError('expected a form in UTF-8');
  refuseEncoding(headers);
  const form = new Map<string, string>();
  const fields = decodeText(body).split('&', MAX_VALUES + 1);
  if (fields.length > MAX_VALUES) {
    throw new InputError(`expected a form of at most ${MAX_VALUES} fields`);
  }
  for (const field of fields.filter(Boolean)) {
    const equals = field.includes('=') ? field.indexOf('=') : field.length;
    const name = decodeComponent(field.slice(0, equals));
    if (form.has(name)) throw new InputError('expected each field of the form once');
    form.set(name, decodeComponent(field.slice(equals + 1)));
  }
  return form;
};

const refuseEncoding = (headers: ReadonlyMap<string, string>): void => {
  if ((headers.get('content-encoding') ?? 'identity') !== 'identity') {
    throw new InputError('expected a body that is not compressed');
  }
};

/**
 * Parses a body of JSON or CBOR by its content type.
 *
 * @throws InputError for every other type, and for what two readers could understand differently
 */
export const parseBody = (headers: ReadonlyMap<string, string>, body: Uint8Array): unknown => {
  refuseEncoding(headers);
  const type = headers.get('content-type') ?? '';
  if (CBOR_TYPE.test(type)) return decodeCbor(body);
  if (JSON_TYPE.test(type) || (type === '' && body.length === 0)) return parseJson(body);
  throw new InputError('expected a body of JSON or CBOR');
};

/**
 * Reads a member of a structure. Some readers ignore the case of names, so that a second name which
 * differs in case alone is refused.
 *
 * @returns undefined for a member that is absent or null
 */
export const readMember = (structure: unknown, name: string): unknown => {
  if (typeof structure !== 'object' || structure === null || Array.isArray(structure)) {
    throw new InputError(`expected a structure with ${name}`);
  }
  const folded = name.toLowerCase();
  for (const other of Object.keys(structure)) {
    if (other !== name && other.toLowerCase() === folded) {
      throw new InputError(`expected ${name}, found it in another case`);
    }
  }
  return Object.hasOwn(structure, name)
    ? ((structure as Record<string, unknown>)[name] ?? undefined)
    : undefined;
};

/** Reads a member that is a list; absent is empty. */
export const readList = (structure: unknown, name: string): readonly unknown[] => {
  const value = readMember(structure, name) ?? [];
  if (!Array.isArray(value)) throw new InputError(`expected a list in ${name}`);
  return value as readonly unknown[];
};

/** Reads a member that is a text. */
export const readText = (structure: unknown, name: string): string | undefined => {
  const value = readMember(structure, name);
  if (value !== undefined && typeof value !== 'string') {
    throw new InputError(`expected a text in ${name}`);
  }
  return value;
};
