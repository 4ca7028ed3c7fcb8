import { describe, expect, it } from '@jest/globals';
import { parseRequestTarget } from './request-target.ts';

const parse = (text: string) => {
  const result = parseRequestTarget(text);
  if (!result.ok) throw new Error(result.reason);
  return result.target;
};

const reasonFor = (text: string): string => {
  const result = parseRequestTarget(text);
  return result.ok ? 'accepted' : result.reason;
};

describe('parseRequestTarget', () => {
  it('decodes path and query once and keeps the path of the wire', () => {
    const target = parse('/bucket/a%20b%2525?prefix=x%26y&acl');
    expect(target).toEqual({
      path: '/bucket/a%20b%2525',
      decodedPath: '/bucket/a b%25',
      parameters: new Map([
        ['prefix', 'x&y'],
        ['acl', ''],
      ]),
    });
  });

  it('splits a parameter at its first equals sign', () => {
    expect(parse('/?token=a==').parameters.get('token')).toBe('a==');
  });

  it.each([
    ['the absolute form', 'http://127.0.0.1:9473/bucket', /begins with a slash/],
    ['the authority form', 'example.com:443', /begins with a slash/],
    ['the asterisk form', '*', /begins with a slash/],
    ['an empty target', '', /begins with a slash/],
    ['a fragment', '/bucket#x', /in the path/],
    ['a fragment in the query', '/bucket?a#x', /in the query/],
    ['a character outside ASCII', '/bücket', /in the path/],
    ['a space', '/a b', /in the path/],
    ['a backslash', '/a\\b', /in the path/],
    ['a control character', '/a\u0001', /in the path/],
    ['half a percent-encoded octet', '/a%2', /in the path/],
    ['no hexadecimal digits', '/a%zz', /in the path/],
    ['octets that are not UTF-8', '/a%ff', /UTF-8 in the path/],
    ['an overlong slash', '/a%c0%af', /UTF-8 in the path/],
    ['octets in the query that are not UTF-8', '/?a=%ff', /UTF-8 names/],
    ['a plus in the query', '/?prefix=a+b', /a plus as %2B/],
    ['a repeated parameter', '/?a=1&b=2&a=1', /each query parameter once/],
    ['a parameter repeated in another encoding', '/?a=1&%61=2', /each query parameter once/],
    ['a parameter without a name', '/?=1', /UTF-8 names/],
    ['an empty parameter', '/?a&&b', /UTF-8 names/],
  ])('refuses %s', (_, target, reason) => {
    expect(reasonFor(target)).toMatch(reason);
  });

  it('gives no value of the query away in a reason', () => {
    expect(reasonFor('/?secret=%ff-topsecret')).not.toContain('topsecret');
  });
});
