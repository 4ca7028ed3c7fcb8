/** An object that DeleteObjects names. */
export type DeletedObject = { readonly key: string; readonly versionId?: string };

/** The specification of DeleteObjects allows 1,000 objects; the body is refused beyond this. */
export const MAX_DELETE_BYTES = 1024 * 1024;
const MAX_OBJECTS = 1_000;

const NAMED_ENTITIES: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
};

/**
 * A whole document: an optional declaration of XML 1.0 in UTF-8, and one element without attributes but a
 * namespace.
 */
const DOCUMENT =
  /^\uFEFF?(?:<\?xml version=["']1\.0["'](?: encoding=["'][Uu][Tt][Ff]-8["'])?(?: standalone=["'](?:yes|no)["'])? ?\?>)?\s*<Delete(?: xmlns="http:\/\/s3\.amazonaws\.com\/doc\/2006-03-01\/")?\s*>([^]*)<\/Delete>\s*$/;
const ELEMENT = /\s*<(Object|Quiet|Key|VersionId|ETag|LastModifiedTime|Size)>([^]*?)<\/\1>\s*/y;

const decodeEntity = (name: string): string | undefined => {
  const code = name.startsWith('#x')
    ? Number.parseInt(name.slice(2), 16)
    : Number.parseInt(name.slice(1), 10);
  if (!name.startsWith('#')) return NAMED_ENTITIES[name];
  return code > 0 && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff)
    ? String.fromCodePoint(code)
    : undefined;
};

/**
 * A carriage return that is not an entity is read as a line feed (XML 1.0, section 2.11).
 *
 * @returns undefined for markup, a carriage return, or an entity that is not one of XML's own
 */
const decodeText = (text: string): string | undefined => {
  if (/[<\r]/.test(text)) return undefined;
  let isValid = !/&(?!(?:amp|lt|gt|quot|apos|#[0-9]{1,7}|#x[0-9A-Fa-f]{1,6});)/.test(text);
  const decoded = text.replace(/&([^;&]+);/g, (_, name: string) => {
    const character = decodeEntity(name);
    if (character === undefined) isValid = false;
    return character ?? '';
  });
  return isValid ? decoded : undefined;
};

/** Reads child elements that follow each other, with nothing but white space between them. */
const readElements = (text: string): readonly (readonly [string, string])[] | undefined => {
  const elements: [string, string][] = [];
  ELEMENT.lastIndex = 0;
  let at = 0;
  while (at < text.length) {
    const [whole, name = '', content = ''] = ELEMENT.exec(text) ?? [];
    if (whole === undefined) return text.slice(at).trim() === '' ? elements : undefined;
    elements.push([name, content]);
    at = ELEMENT.lastIndex;
  }
  return elements;
};

const OBJECT_MEMBERS = new Set(['Key', 'VersionId', 'ETag', 'LastModifiedTime', 'Size']);

const readObject = (content: string): DeletedObject | undefined => {
  const elements = readElements(content) ?? [];
  const members = new Map(elements);
  const isPlain = members.size === elements.length;
  if (!isPlain || ![...members.keys()].every((name) => OBJECT_MEMBERS.has(name))) return undefined;
  const key = decodeText(members.get('Key') ?? '');
  const versionId = decodeText(members.get('VersionId') ?? '');
  if (key === undefined || key === '' || versionId === undefined) return undefined;
  return { key, ...(versionId === '' ? {} : { versionId }) };
};

/**
 * Reads which objects a body of DeleteObjects names. Only the elements of the S3 API are accepted, and
 * each at its place: no DTD, comment, CDATA, attribute or entity of its own, so that no other reader can
 * find other keys in it.
 *
 * @returns undefined for everything else
 */
export const readDeletedObjects = (body: Uint8Array): readonly DeletedObject[] | undefined => {
  if (body.length > MAX_DELETE_BYTES) return undefined;
  const text = new TextDecoder('utf-8', { fatal: false, ignoreBOM: true }).decode(body);
  const elements = text.includes('\uFFFD')
    ? undefined
    : readElements(DOCUMENT.exec(text)?.[1] ?? 'none');
  if (elements === undefined) return undefined;
  const objects: DeletedObject[] = [];
  for (const [name, content] of elements) {
    const object = name === 'Object' ? readObject(content) : undefined;
    if (name === 'Object' && object === undefined) return undefined;
    if (object !== undefined) objects.push(object);
    else if (name !== 'Quiet' || !['true', 'false'].includes(content)) return undefined;
  }
  return objects.length > 0 && objects.length <= MAX_OBJECTS ? objects : undefined;
};
