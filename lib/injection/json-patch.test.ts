import { describe, expect, it } from '@jest/globals';
import type { JsonPatchOp } from '../contract/json-patch-operation.ts';
import { applyPatch, toJsonPointer } from './json-patch.ts';

describe('applyPatch', () => {
  it.each<[string, unknown, JsonPatchOp, unknown]>([
    ['adds a member', {}, { op: 'add', path: '/a', value: 1 }, { a: 1 }],
    ['appends', { a: [1] }, { op: 'add', path: '/a/-', value: 2 }, { a: [1, 2] }],
    ['inserts', { a: [1, 3] }, { op: 'add', path: '/a/1', value: 2 }, { a: [1, 2, 3] }],
    ['replaces', { a: [1] }, { op: 'replace', path: '/a/0', value: 2 }, { a: [2] }],
    ['removes', { a: [1, 2], b: 1 }, { op: 'remove', path: '/a/0' }, { a: [2], b: 1 }],
    ['unescapes', { 'a/b~': 1 }, { op: 'replace', path: '/a~1b~0', value: 2 }, { 'a/b~': 2 }],
  ])('applies %s', (_, document, operation, expected) => {
    expect(applyPatch(document, [operation])).toEqual(expected);
  });

  it.each<[string, JsonPatchOp]>([
    ['a missing parent', { op: 'add', path: '/x/y', value: 1 }],
    ['a missing member', { op: 'replace', path: '/x', value: 1 }],
    ['an index past the end', { op: 'add', path: '/a/2', value: 1 }],
    ['an index that is none', { op: 'remove', path: '/a/first' }],
    ['the end, to remove', { op: 'remove', path: '/a/-' }],
    ['the root', { op: 'replace', path: '', value: 1 }],
    ['a prototype', { op: 'add', path: '/constructor/x', value: 1 }],
  ])('refuses %s', (_, operation) => {
    expect(() => applyPatch({ a: [1] }, [operation])).toThrow(operation.path);
  });

  it('does not change its input', () => {
    const document = { a: [1] };
    applyPatch(document, [{ op: 'add', path: '/a/-', value: 2 }]);
    expect(document).toEqual({ a: [1] });
  });

  it('toJsonPointer escapes segments', () => {
    expect(toJsonPointer('a', 0, 'x/y~z')).toBe('/a/0/x~1y~0z');
  });
});
