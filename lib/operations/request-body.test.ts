import { describe, expect, it } from '@jest/globals';
import { InputError, MAX_DEPTH, MAX_VALUES } from './input-error.ts';
import { parseBody, parseForm, readList, readMember, readText } from './request-body.ts';

const JSON_1_0 = 'application/x-amz-json-1.0';
const FORM = 'application/x-www-form-urlencoded';

const parse = (text: string | Uint8Array, type = JSON_1_0, encoding?: string): unknown =>
  parseBody(
    new Map([
      ['content-type', type],
      ...(encoding === undefined ? [] : [['content-encoding', encoding] as const]),
    ]),
    Buffer.from(text),
  );

const form = (text: string, type = FORM) =>
  parseForm(new Map([['content-type', type]]), Buffer.from(text));

describe('parseBody', () => {
  it.each([
    [JSON_1_0, '{"a":"b"}', { a: 'b' }],
    ['application/x-amz-json-1.1', ' {"a":{"a":1},"b":[{"a":2},{"a":3}]} ', undefined],
    ['application/json; charset=utf-8', '{}', {}],
    ['application/json', '', {}],
    ['', '', {}],
    ['application/cbor', Uint8Array.of(0xa1, 0x61, 0x61, 0x61, 0x62), { a: 'b' }],
    ['application/x-amz-cbor-1.1', Uint8Array.of(0xa0), {}],
  ])('parses %s: %s', (type, text, expected) => {
    expect(parse(text, type)).toEqual(expected ?? JSON.parse(text));
  });

  it('takes a string with quotes, colons and braces for one string', () => {
    expect(parse('{"a":"\\"b\\":{","c":"\\\\"}')).toEqual({ a: '"b":{', c: '\\' });
  });

  it.each([
    ['a name twice', '{"a":1,"a":2}'],
    ['a name twice, once escaped', '{"a":1,"\\u0061":2}'],
    ['a name twice in a list', '[{"a":1,"b":2,"a":3}]'],
    ['no JSON', '{a:1}'],
    ['two values', '{} {}'],
    ['a byte order mark', '\uFEFF{}'],
    ['a comment', '{/* */}'],
    ['too many levels', `${'['.repeat(MAX_DEPTH + 1)}${']'.repeat(MAX_DEPTH + 1)}`],
  ])('refuses %s', (_, text) => {
    expect(() => parse(text)).toThrow(InputError);
  });

  it.each([
    ['invalid UTF-8', Uint8Array.of(0x22, 0xff, 0x22), JSON_1_0, undefined],
    ['a body of a type that no operation has', '{}', 'text/plain', undefined],
    ['JSON as a form', '{}', FORM, undefined],
    ['JSON in another charset', '{}', 'application/json; charset=utf-16', undefined],
    ['a compressed body', '{}', JSON_1_0, 'gzip'],
  ])('refuses %s', (_, text, type, encoding) => {
    expect(() => parse(text, type, encoding)).toThrow(InputError);
  });

  it.each([
    ['objects', '{}', JSON_1_0],
    ['numbers', '0', JSON_1_0],
    ['lists', '[]', JSON_1_0],
  ])('refuses more %s than a body may have, however small', (_, value, type) => {
    const build = (count: number) => `[${`${value},`.repeat(count - 1)}${value}]`;
    expect(() => parse(build(MAX_VALUES + 1), type)).toThrow(InputError);
    expect(parse(build(1_000), type)).toHaveLength(1_000);
  });

  it('refuses more values of CBOR than a body may have', () => {
    const build = (count: number) =>
      Uint8Array.from({ length: count + 2 }, (_, at) => (at === 0 ? 0x9f : at > count ? 0xff : 0));
    expect(() => parse(build(MAX_VALUES), 'application/cbor')).toThrow(InputError);
    expect(parse(build(MAX_VALUES - 1), 'application/cbor')).toHaveLength(MAX_VALUES - 1);
  });

  it('finds the end of a string with any escapes', () => {
    const text = JSON.stringify({ a: 'x\\', 'b"': '\\"{[,', c: ['\\\\', '"'] });
    expect(parse(text)).toEqual(JSON.parse(text));
    expect(() => parse('{"\\\\":1,"\\u005c":2}')).toThrow(InputError);
  });

  it('names no value of the body in its refusal', () => {
    expect(() => parse('{"secret-name":1,"secret-name":2}')).toThrow(/^((?!secret-name).)*$/);
  });
});

describe('parseForm', () => {
  it('decodes fields, a plus as a space', () => {
    const expected = new Map([
      ['Action', 'SendMessage'],
      ['a b', '1 2ü'],
      ['empty', ''],
      ['flag', ''],
    ]);
    expect(form('Action=SendMessage&a+b=1%202%C3%BC&empty=&flag&')).toEqual(expected);
    expect(form('', `${FORM}; charset=utf-8`)).toEqual(new Map());
  });

  it('refuses more fields than a form may have', () => {
    expect(() => form('&'.repeat(MAX_VALUES))).toThrow(InputError);
  });

  it('leaves other bodies alone', () => {
    expect(form('a=b', 'application/json')).toBeUndefined();
    expect(parseForm(new Map([['content-type', FORM]]), undefined)).toBeUndefined();
  });

  it.each([
    ['a field twice', 'a=1&a=2', FORM],
    ['a field twice, once encoded', 'a=1&%61=2', FORM],
    ['invalid percent-encoding', 'a=%zz', FORM],
    ['invalid UTF-8', 'a=%ff', FORM],
    ['another charset', 'a=b', `${FORM}; charset=utf-16`],
  ])('refuses %s', (_, text, type) => {
    expect(() => form(text, type)).toThrow(InputError);
  });
});

describe('readMember', () => {
  it('reads a member of exactly this name', () => {
    expect(readMember({ TableName: 't' }, 'TableName')).toBe('t');
    expect(readMember({ Other: 1 }, 'TableName')).toBeUndefined();
    expect(readMember({ TableName: null }, 'TableName')).toBeUndefined();
    expect(readMember({}, 'toString')).toBeUndefined();
  });

  it.each([
    ['a name in another case', { tablename: 't' }],
    ['two names that differ in case', { TableName: 't', tableName: 'u' }],
    ['a list', ['TableName']],
    ['a text', 'TableName'],
    ['null', null],
  ])('refuses %s', (_, structure) => {
    expect(() => readMember(structure, 'TableName')).toThrow(InputError);
  });

  it('reads texts and lists, and refuses every other type', () => {
    expect(readText({ a: 'b' }, 'a')).toBe('b');
    expect(readText({}, 'a')).toBeUndefined();
    for (const a of [1, true, ['b'], { b: 1 }]) expect(() => readText({ a }, 'a')).toThrow('text');
    expect(readList({ a: ['b'] }, 'a')).toEqual(['b']);
    expect(readList({}, 'a')).toEqual([]);
    for (const a of [1, 'b', { 0: 'b' }]) expect(() => readList({ a }, 'a')).toThrow('list');
  });
});
