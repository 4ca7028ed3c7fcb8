import { describe, expect, it } from '@jest/globals';
import { formatFieldError, formatValue } from './field-error.ts';
import { boolean, integer, list, object, stringEnum, read, record, string } from './reader.ts';

const settings = object({
  name: string({ expected: 'a DNS label', pattern: /^[a-z]+$/ }),
  count: { reader: integer({ min: 1, max: 9 }), otherwise: 3 },
  note: { optional: string() },
  kinds: list(stringEnum(['a', 'b']), { min: 1 }),
  flags: {
    reader: record(string({ expected: 'a word', pattern: /^\w+$/ }), boolean),
    otherwise: {},
  },
});

describe('read', () => {
  it('fills in defaults and omits absent optional members', () => {
    expect(read(settings, { name: 'x', kinds: ['a'] })).toEqual({
      ok: true,
      value: { name: 'x', count: 3, kinds: ['a'], flags: {} },
    });
  });

  it('returns all errors at once, each with its path', () => {
    const result = read(settings, {
      name: 'X',
      count: 0,
      kinds: ['c'],
      flags: { '-': 1 },
      extra: 1,
    });
    expect(result.ok ? [] : result.faults.map((fault) => fault.path)).toEqual([
      'extra',
      'name',
      'count',
      'kinds[0]',
      'flags.-',
    ]);
  });

  it('treats the key __proto__ like any other unknown key', () => {
    const result = read(settings, JSON.parse('{"name":"x","kinds":["a"],"__proto__":{"count":9}}'));
    expect(result).toMatchObject({ ok: false, faults: [{ path: '__proto__' }] });
  });

  it.each([[null], [[]], ['text'], [undefined]])(
    'rejects %j where a mapping is expected',
    (given) => {
      expect(read(settings, given)).toMatchObject({
        ok: false,
        faults: [{ path: '(root)', expected: 'a mapping' }],
      });
    },
  );
});

describe('formatFieldError', () => {
  it('formats source, path, expected and actual value, and rule', () => {
    const fault = {
      source: 'task.valetkey.dev/a',
      path: 'role',
      expected: 'x',
      got: 'y',
      rule: '3',
    };
    expect(formatFieldError(fault)).toBe('task.valetkey.dev/a role: expected x, got y (rule 3)');
  });

  it('escapes line feeds and invisible characters of a path', () => {
    const result = read(settings, { 'a\nrole: ok\u001b[2J\u202eb': 1 });
    if (result.ok) throw new Error('read');
    const line = formatFieldError(result.faults[0] ?? { path: '', expected: '', got: '' });
    expect(line).toMatch(/^a\\u\{a\}role: ok\\u\{1b\}\[2J\\u\{202e\}b: expected only /);
  });

  it('escapes and truncates values', () => {
    expect(formatValue('a\u202eb\u0007')).toBe('"a\\u{202e}b\\u0007"');
    expect(formatValue('x'.repeat(500)).length).toBeLessThan(100);
  });
});
