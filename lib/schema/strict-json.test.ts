import { describe, expect, it } from '@jest/globals';

import fc from '../../test/kit/fast-check.ts';
import { MAX_JSON_VALUES, parseStrictJson } from './strict-json.ts';

const OPTIONS = { maxDepth: 4, foldCaseDepth: 1 };
const parse = (text: string | Uint8Array, options = OPTIONS) =>
  parseStrictJson(typeof text === 'string' ? Buffer.from(text) : text, options);

describe('parseStrictJson', () => {
  it.each([
    ['{"model":"a","b":[{"c":1},{"c":2}]}'],
    ['{"a":{"model":1},"model":2}'],
    ['{"a":"{\\"a\\":1,\\"a\\":2}"}'],
    ['{"a":"\\\\","b":1}'],
    ['{"a":{"b":1,"B":2}}'],
    ['[1,2,"x","x"]'],
    ['"x"'],
    ['{}'],
  ])('parses %s', (text) => {
    expect(parse(text)).toEqual({ ok: true, value: JSON.parse(text) as unknown });
  });

  it.each([
    ['{"model":"a","model":"b"}', 'each key once'],
    ['{"model":"a","\\u006dodel":"b"}', 'each key once'],
    ['{"model":"a","Model":"b"}', 'each key once'],
    ['{"a":{"b":1,"b":2}}', 'each key once'],
    ['{"a":[{"b":1,"b":2}]}', 'each key once'],
    ['{"a":{},"a":[]}', 'each key once'],
    ['[[[[[]]]]]', 'at most 4 levels'],
    ['{"a":1', 'JSON in UTF-8'],
    ["{'a':1}", 'JSON in UTF-8'],
    ['{"a":1}x', 'JSON in UTF-8'],
    ['', 'JSON in UTF-8'],
    ['\ufeff{}', 'JSON in UTF-8'],
  ])('refuses %s', (text, expected) => {
    const result = parse(text);
    expect(result.ok ? undefined : result.faults[0]?.expected).toBe(expected);
  });

  it('refuses bytes that are no UTF-8, and UTF-16', () => {
    expect(parse(Uint8Array.of(0x22, 0xff, 0x22)).ok).toBe(false);
    expect(parse(Buffer.from('{}', 'utf16le')).ok).toBe(false);
  });

  it('parses any value that has no repeated keys as JSON.parse does', () => {
    const options = { maxDepth: 100, foldCaseDepth: 0 };
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = JSON.stringify(value);
        expect(parse(text, options)).toEqual({ ok: true, value: JSON.parse(text) as unknown });
      }),
    );
  });

  it.each([
    ['numbers', '[', '1,', '1]'],
    ['empty lists', '[', '[],', '1]'],
    ['members', '{', '"a":1,', '"b":1}'],
    ['objects without an end', '', '{', ''],
  ])('refuses more values than its limit before it parses them: %s', (_name, start, each, end) => {
    const result = parse(`${start}${each.repeat(MAX_JSON_VALUES + 1)}${end}`);
    expect(result.ok ? [] : result.faults).toEqual([
      { path: '(root)', expected: 'at most 250000 values', got: 'more' },
    ]);
  });

  it('counts no characters of strings as values, and reads strings of any length', () => {
    const text = JSON.stringify({ '{[,"\\': '\\"{[,'.repeat(MAX_JSON_VALUES * 4) });
    expect(parse(text).ok).toBe(true);
  });

  it('keeps the text out of its errors', () => {
    expect(JSON.stringify(parse('{"topsecret":1,"topsecret":2}'))).not.toContain('topsecret');
  });
});
