import { describe, expect, test } from '@jest/globals';
import { findNearestName } from './nearest-name.ts';

const names = ['getobject', 'getobjectacl', 'putobject', 'listbucket'];

describe('the nearest name', () => {
  test.each([
    ['a letter too few', 'getobjct', 'getobject'],
    ['a letter too many', 'gettobject', 'getobject'],
    ['another letter', 'getubject', 'getobject'],
    ['two letters swapped', 'ilstbucket', 'listbucket'],
    ['three of them at once', 'gteobjcts', 'getobject'],
  ])('forgives %s', (_what, given, expected) => {
    expect(findNearestName(given, names)).toBe(expected);
  });

  test('is none for a name that is like no other', () => {
    expect(findNearestName('flytothemoon', names)).toBeUndefined();
  });

  test('is none where most of a short name would have to change', () => {
    expect(findNearestName('ab', ['xyz'])).toBeUndefined();
  });

  test('is the first of several as near', () => {
    expect(findNearestName('getobjectxcl', ['getobjectycl', 'getobjectacl'])).toBe('getobjectycl');
  });

  test('counts a swap as one change, not as two', () => {
    expect(findNearestName('gte', ['get', 'put'])).toBe('get');
  });
});
