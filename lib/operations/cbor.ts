import { InputError, MAX_DEPTH, MAX_VALUES } from './input-error.ts';

/** Major types of RFC 8949, section 3.1. */
const MAJOR = { unsigned: 0, negative: 1, bytes: 2, text: 3, array: 4, map: 5, tag: 6, simple: 7 };
const INDEFINITE = 31;
const BREAK = 0xff;

/** Of `simple`: false, true, null, undefined. */
const SIMPLE: ReadonlyMap<number, unknown> = new Map<number, unknown>([
  [20, false],
  [21, true],
  [22, null],
  [23, null],
]);

const fail = (): never => {
  throw new InputError('expected a body of CBOR (RFC 8949) with each name once');
};

/**
 * Decodes a body of CBOR as JSON would show it; bytes stay bytes, and tags are dropped. Strict: one item,
 * names are texts that differ, no text in pieces, at most {@link MAX_DEPTH} levels and
 * {@link MAX_VALUES} values.
 *
 * @throws InputError for everything else
 */
export const decodeCbor = (body: Uint8Array): unknown => {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  let at = 0;
  let values = 0;

  const take = (length: number): number => {
    const from = at;
    if (length > body.length - at) fail();
    at += length;
    return from;
  };

  const readLength = (info: number): number => {
    if (info < 24) return info;
    if (info === 24) return view.getUint8(take(1));
    if (info === 25) return view.getUint16(take(2));
    if (info === 26) return view.getUint32(take(4));
    return info === 27 ? Number(view.getBigUint64(take(8))) : fail();
  };

  const takeBytes = (length: number): Uint8Array => {
    const from = take(length);
    return body.subarray(from, from + length);
  };

  const readText = (length: number): string => {
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(takeBytes(length));
    } catch {
      return fail();
    }
  };

  const isAtBreak = (): boolean => body[at] === BREAK && take(1) >= 0;

  /** Calls `read` for each item of an array or a map. */
  const readItems = (info: number, read: () => void): void => {
    if (info === INDEFINITE) {
      while (!isAtBreak()) read();
      return;
    }
    const count = readLength(info);
    for (let index = 0; index < count; index += 1) read();
  };

  const readMap = (info: number, depth: number): unknown => {
    const members = new Map<string, unknown>();
    readItems(info, () => {
      const name = readItem(depth);
      if (typeof name !== 'string' || members.has(name)) return fail();
      members.set(name, readItem(depth));
    });
    return Object.fromEntries(members);
  };

  const readArray = (info: number, depth: number): unknown => {
    const items: unknown[] = [];
    readItems(info, () => {
      items.push(readItem(depth));
    });
    return items;
  };

  const readSimple = (info: number): unknown => {
    if (info === 26) return view.getFloat32(take(4));
    if (info === 27) return view.getFloat64(take(8));
    if (info === 25) return take(2) >= 0 ? Number.NaN : fail();
    return SIMPLE.has(info) ? SIMPLE.get(info) : fail();
  };

  const readItem = (depth: number): unknown => {
    values += 1;
    if (depth > MAX_DEPTH || values > MAX_VALUES) return fail();
    const head = view.getUint8(take(1));
    const [major, info] = [head >> 5, head & 31];
    if (major === MAJOR.map) return readMap(info, depth + 1);
    if (major === MAJOR.array) return readArray(info, depth + 1);
    if (major === MAJOR.simple) return readSimple(info);
    const length = readLength(info);
    if (major === MAJOR.tag) return readItem(depth + 1);
    if (major === MAJOR.text) return readText(length);
    if (major === MAJOR.bytes) return takeBytes(length);
    return major === MAJOR.unsigned ? length : -1 - length;
  };

  const item = readItem(0);
  return at === body.length ? item : fail();
};
