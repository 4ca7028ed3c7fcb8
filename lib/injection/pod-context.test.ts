import { describe, expect, it } from '@jest/globals';
import { getServiceAccountName } from './pod-context.ts';

describe('getServiceAccountName', () => {
  it.each([
    ['the field', { serviceAccountName: 'agent' }, 'agent'],
    ['the deprecated alias', { serviceAccount: 'agent' }, 'agent'],
    ['the alias of an empty field', { serviceAccountName: '', serviceAccount: 'agent' }, 'agent'],
    ['the field before its alias', { serviceAccountName: 'a', serviceAccount: 'b' }, 'a'],
    ['the default account', {}, 'default'],
  ])('returns %s', (_, spec, name) => {
    expect(getServiceAccountName({ spec })).toBe(name);
  });
});
