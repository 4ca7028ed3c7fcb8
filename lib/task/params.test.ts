import { describe, expect, it } from '@jest/globals';
import fc from '../../test/kit/fast-check.ts';
import { formatFieldError } from '../schema/field-error.ts';
import { bindParams } from './params.ts';
import { bindResource, readPlaceholders, widenPlaceholders } from './resource.ts';

const task = { allow: [], params: { customer: { pattern: '[a-z0-9-]+', maxLength: 10 } } };
const anything = { allow: [], params: { customer: { pattern: '.*', maxLength: 40 } } };

const listBindErrors = (
  declared: Parameters<typeof bindParams>[0],
  given: unknown,
): readonly string[] => {
  const result = bindParams(declared, given);
  return result.ok ? [] : result.faults.map(formatFieldError);
};

describe('bindParams', () => {
  it('returns the values when all are present and match', () => {
    expect(bindParams(task, { customer: 'acme-1' })).toEqual({
      ok: true,
      value: { customer: 'acme-1' },
    });
  });

  it('returns no values for a task without params', () => {
    expect(bindParams({ allow: [], params: {} }, undefined)).toEqual({ ok: true, value: {} });
    expect(bindParams({ allow: [], params: {} }, {})).toEqual({ ok: true, value: {} });
  });

  it.each([
    ['missing', {}, 'params.customer: expected text of 1 to 10 characters, got nothing'],
    [
      'missing altogether',
      undefined,
      'params.customer: expected text of 1 to 10 characters, got nothing',
    ],
    ['empty', { customer: '' }, 'params.customer: expected text of 1 to 10 characters, got ""'],
    ['no text', { customer: 7 }, 'params.customer: expected text of 1 to 10 characters, got 7'],
    [
      'too long',
      { customer: 'abcdefghijk' },
      'params.customer: expected text of 1 to 10 characters, got "abcdefghijk"',
    ],
    [
      'not a whole match',
      { customer: 'acme/x' },
      'params.customer: expected text that matches [a-z0-9-]+, got "acme/x"',
    ],
    ['no mapping', ['acme'], 'params: expected a mapping, got ["acme"]'],
  ])('rejects params when %s', (_what, given, fault) => {
    expect(listBindErrors(task, given)).toEqual([fault]);
  });

  it('rejects params that the task does not declare', () => {
    expect(listBindErrors(task, { customer: 'acme', region: 'eu' })).toEqual([
      'params.region: expected only customer, got an unknown key',
    ]);
    expect(bindParams({ allow: [], params: {} }, { customer: 'acme' })).toMatchObject({
      faults: [{ path: 'params', expected: 'no params: this task declares none' }],
    });
  });

  it('rejects a line feed after a matching value', () => {
    expect(listBindErrors(task, { customer: 'acme\n' })).toHaveLength(1);
  });

  it('rejects a param named like a member of every JavaScript object', () => {
    expect(listBindErrors(task, JSON.parse('{"customer":"a","__proto__":"b"}'))).toHaveLength(1);
  });

  it.each(['*', '?', '$', '{', '}', '"', '\\', '\n', '\u0000', 'é', '\u202e'])(
    'are refused with %j in them, whatever their pattern says',
    (character) => {
      expect(listBindErrors(anything, { customer: `a${character}b` })).toEqual([
        expect.stringContaining('printable ASCII without * ? $ { } " and \\'),
      ]);
    },
  );

  it('rejects values of an invalid pattern', () => {
    const broken = { allow: [], params: { customer: { pattern: '(', maxLength: 10 } } };
    expect(listBindErrors(broken, { customer: 'acme' })).toEqual([
      'params.customer: expected a pattern in RE2 syntax, got "acme"',
    ]);
  });

  it('matches in time linear in the length of the value', () => {
    const slow = { allow: [], params: { customer: { pattern: '(a|a)*(a|aa)*b', maxLength: 256 } } };
    const start = performance.now();
    expect(listBindErrors(slow, { customer: 'a'.repeat(256) })).toHaveLength(1);
    expect(performance.now() - start).toBeLessThan(1000);
  });
});

describe('values of params in resources of Upstreams', () => {
  const places = {
    path: 'https://api.example.com/items/{p}/notes',
    repository: 'git://code/acme/{p}#refs/heads/agent/*',
    ref: 'git://code/acme/site#refs/heads/agent/{p}',
    tool: 'mcp://wiki/tools/get-{p}',
    uri: 'mcp://wiki/resources/file:///docs/{p}',
    database: 'postgres://orders/{p}',
    arn: 'arn:aws:s3:::acme-data/{p}/*',
  };
  const accepts = (place: keyof typeof places, value: string): boolean =>
    bindParams(
      {
        params: { p: { pattern: '.*', maxLength: 64 } },
        allow: [{ actions: ['x:y'], resources: [places[place]] }],
      },
      { p: value },
    ).ok;

  it.each([
    ['a/b', ['ref', 'arn']],
    ['a#b', ['ref', 'arn']],
    ['a*', []],
    ['a?', []],
    ['%2F', ['path', 'ref', 'tool', 'uri', 'arn']],
    ['%2f', ['ref', 'arn']],
    ['%', ['ref', 'arn']],
    ['..', ['ref', 'arn']],
    ['.', ['ref', 'arn']],
    ['a b', ['arn']],
    ['a;b', ['ref', 'tool', 'uri', 'arn']],
    ['a:b', ['path', 'tool', 'uri', 'arn']],
    ['a~b', ['path', 'repository', 'tool', 'uri', 'arn']],
    ['a-b_c.9', Object.keys(places)],
  ] as const)('accepts %j only in these places: %j', (value, expected) => {
    const all = Object.keys(places) as (keyof typeof places)[];
    expect(all.filter((place) => accepts(place, value))).toEqual(
      [...expected].sort((one, other) => all.indexOf(one as never) - all.indexOf(other as never)),
    );
  });

  it('checks a value in each place that has its placeholder, and says what it may be', () => {
    const task = {
      params: { p: { pattern: '.*', maxLength: 64 } },
      allow: [{ actions: ['git:push'], resources: ['git://code/acme/{p}#refs/heads/{p}'] }],
    };
    expect(listBindErrors(task, { p: 'site#refs/heads/main' })).toEqual([
      'params.p: expected one name: letters, digits, - . _ ~, got "site#refs/heads/main"',
    ]);
  });
});

describe('bindResource', () => {
  it('inserts values only for placeholders', () => {
    expect(bindResource('arn:aws:s3:::acme/{a}/a/{b}', { a: 'b', b: '$&' })).toBe(
      'arn:aws:s3:::acme/b/a/$&',
    );
  });

  it('throws when a param has no value', () => {
    expect(() => bindResource('arn:aws:s3:::{a}', {})).toThrow('param a');
    expect(() => bindResource('arn:aws:s3:::{constructor}', {})).toThrow('param constructor');
  });

  it('equals widenPlaceholders when each value is a wildcard', () => {
    const resource = fc
      .array(fc.constantFrom('{a}', '{b}', 'X', '/', '{', '}', '*'), { maxLength: 12 })
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(resource, (text) => {
        expect(bindResource(text, { a: '*', b: '*' })).toBe(widenPlaceholders(text));
        expect(readPlaceholders(widenPlaceholders(text))).toEqual([]);
      }),
    );
  });
});
