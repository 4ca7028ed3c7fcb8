import { describe, expect, test } from '@jest/globals';

import { collectProfiles, seenAnnotation, stamp } from './profile-collection.ts';

const now = Date.parse('2030-01-01T12:00:00Z');
const minute = 60_000;
const ours = 'a'.repeat(64);
const theirs = 'b'.repeat(64);
const seen = (hash: string, agoMs: number) => ({ [seenAnnotation(hash)]: stamp(now - agoMs) });
const data = { [ours]: '{}', [theirs]: '{}' };

describe('a profile', () => {
  test('goes, with its stamp, when nobody has named it for an hour', () => {
    const annotations = { ...seen(ours, minute), ...seen(theirs, 61 * minute) };
    expect(collectProfiles({ data, annotations }, { live: new Set([ours]), now })).toEqual({
      data: { [theirs]: null },
      annotations: { [seenAnnotation(theirs)]: null },
    });
  });

  test('stays within its hour', () => {
    const annotations = { ...seen(ours, minute), ...seen(theirs, 59 * minute) };
    expect(collectProfiles({ data, annotations }, { live: new Set([ours]), now })).toEqual({
      data: {},
      annotations: {},
    });
  });

  test('that a live pod names stays however old its stamp, and is stamped anew', () => {
    const annotations = { ...seen(ours, minute), ...seen(theirs, 600 * minute) };
    expect(collectProfiles({ data, annotations }, { live: new Set([ours, theirs]), now })).toEqual({
      data: {},
      annotations: { [seenAnnotation(theirs)]: stamp(now) },
    });
  });

  test.each([{}, { [seenAnnotation(theirs)]: 'yesterday' }])(
    'without a stamp that can be read is given its hour: %j',
    (broken) => {
      const annotations = { ...seen(ours, minute), ...broken };
      expect(collectProfiles({ data, annotations }, { live: new Set([ours]), now })).toEqual({
        data: {},
        annotations: { [seenAnnotation(theirs)]: stamp(now) },
      });
    },
  );
});

test('a stamp of no profile goes, and what is not ours stays', () => {
  const annotations = { ...seen(ours, minute), ...seen(theirs, minute), owner: 'x' };
  const state = { data: { [ours]: '{}' }, annotations };
  expect(collectProfiles(state, { live: new Set([ours]), now }).annotations).toEqual({
    [seenAnnotation(theirs)]: null,
  });
});

test('the name of a stamp is one that an annotation may have', () => {
  expect(seenAnnotation(ours)).toMatch(/^[a-z.]+\/[0-9a-f]{1,63}$/);
});
