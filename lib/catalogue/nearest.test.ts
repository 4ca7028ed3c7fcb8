import { describe, expect, test } from '@jest/globals';
import { findNearest } from './nearest.ts';

const names = ['getobject', 'getobjectacl', 'putobject', 'listbucket'];

describe('the nearest name', () => {
  test.each([
    ['a letter too few', 'getobjct', 'getobject'],
    ['a letter too many', 'gettobject', 'getobject'],
    ['another letter', 'getubject', 'getobject'],
    ['two letters swapped', 'ilstbucket', 'listbucket'],
    ['three of them at once', 'gteobjcts', 'getobject'],
  ])('forgives %s', (_what, given, expected) => {
    expect(findNearest(given, names)).toBe(expected);
  });

  test('is none for a name that is like no other', () => {
    expect(findNearest('flytothemoon', names)).toBeUndefined();
  });

  test('is none where most of a short name would have to change', () => {
    expect(findNearest('ab', ['xyz'])).toBeUndefined();
  });

  test('is the first of several as near', () => {
    expect(findNearest('getobjectxcl', ['getobjectycl', 'getobjectacl'])).toBe('getobjectycl');
  });

  test('counts a swap as one change, not as two', () => {
    expect(findNearest('gte', ['get', 'put'])).toBe('get');
  });
});
