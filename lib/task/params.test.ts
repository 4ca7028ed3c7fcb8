import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { formatFieldError } from '../schema/field-error.ts';
import { bindParams } from './params.ts';
import { bindResource, readPlaceholders, widenPlaceholders } from './resource.ts';

const task = { params: { customer: { pattern: '[a-z0-9-]+', maxLength: 10 } } };
const anything = { params: { customer: { pattern: '.*', maxLength: 40 } } };

const listBindErrors = (declared: typeof task, given: unknown): readonly string[] => {
  const result = bindParams(declared, given);
  return result.ok ? [] : result.faults.map(formatFieldError);
};

describe('params that a run starts with', () => {
  test('are bound when each is there and matches', () => {
    expect(bindParams(task, { customer: 'acme-1' })).toEqual({
      ok: true,
      value: { customer: 'acme-1' },
    });
  });

  test('are none for a task that declares none', () => {
    expect(bindParams({ params: {} }, undefined)).toEqual({ ok: true, value: {} });
    expect(bindParams({ params: {} }, {})).toEqual({ ok: true, value: {} });
  });

  test.each([
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
  ])('are refused when %s', (_what, given, fault) => {
    expect(listBindErrors(task, given)).toEqual([fault]);
  });

  test('are refused when the task does not declare them', () => {
    expect(listBindErrors(task, { customer: 'acme', region: 'eu' })).toEqual([
      'params.region: expected only customer, got an unknown key',
    ]);
    expect(bindParams({ params: {} }, { customer: 'acme' })).toMatchObject({
      faults: [{ path: 'params', expected: 'no params: this task declares none' }],
    });
  });

  test('are refused when a line end hides behind a match', () => {
    expect(listBindErrors(task, { customer: 'acme\n' })).toHaveLength(1);
  });

  test('are refused under a name that every JavaScript object has', () => {
    expect(listBindErrors(task, JSON.parse('{"customer":"a","__proto__":"b"}'))).toHaveLength(1);
  });

  test.each(['*', '?', '$', '{', '}', '"', '\\', '\n', '\u0000', 'é', '\u202e'])(
    'are refused with %j in them, whatever their pattern says',
    (character) => {
      expect(listBindErrors(anything, { customer: `a${character}b` })).toEqual([
        expect.stringContaining('printable ASCII without * ? $ { } " and \\'),
      ]);
    },
  );

  test('are refused when what should be their pattern is none', () => {
    const broken = { params: { customer: { pattern: '(', maxLength: 10 } } };
    expect(listBindErrors(broken, { customer: 'acme' })).toEqual([
      'params.customer: expected a pattern in RE2 syntax, got "acme"',
    ]);
  });

  test('are matched in time linear in their length', () => {
    const slow = { params: { customer: { pattern: '(a|a)*(a|aa)*b', maxLength: 256 } } };
    const start = performance.now();
    expect(listBindErrors(slow, { customer: 'a'.repeat(256) })).toHaveLength(1);
    expect(performance.now() - start).toBeLessThan(1000);
  });
});

describe('a resource with places', () => {
  test('gets values only where its braces stand', () => {
    expect(bindResource('arn:aws:s3:::acme/{a}/a/{b}', { a: 'b', b: '$&' })).toBe(
      'arn:aws:s3:::acme/b/a/$&',
    );
  });

  test('is not bound without a value for each', () => {
    expect(() => bindResource('arn:aws:s3:::{a}', {})).toThrow('param a');
    expect(() => bindResource('arn:aws:s3:::{constructor}', {})).toThrow('param constructor');
  });

  test('is the same as widened when each value is a wildcard', () => {
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
