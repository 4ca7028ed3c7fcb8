import { describe, expect, it } from '@jest/globals';
import { findNearestName } from './nearest-name.ts';

const names = ['getobject', 'getobjectacl', 'putobject', 'listbucket'];

describe('findNearestName', () => {
  it.each([
    ['a letter too few', 'getobjct', 'getobject'],
    ['a letter too many', 'gettobject', 'getobject'],
    ['another letter', 'getubject', 'getobject'],
    ['two letters swapped', 'ilstbucket', 'listbucket'],
    ['three of them at once', 'gteobjcts', 'getobject'],
  ])('tolerates %s', (_what, given, expected) => {
    expect(findNearestName(given, names)).toBe(expected);
  });

  it('returns nothing for a name that is similar to none', () => {
    expect(findNearestName('flytothemoon', names)).toBeUndefined();
  });

  it('returns nothing where most of a short name differs', () => {
    expect(findNearestName('ab', ['xyz'])).toBeUndefined();
  });

  it('returns the first of several names at the same distance', () => {
    expect(findNearestName('getobjectxcl', ['getobjectycl', 'getobjectacl'])).toBe('getobjectycl');
  });

  it('counts a swap of adjacent letters as one change', () => {
    expect(findNearestName('gte', ['get', 'put'])).toBe('get');
  });
});
