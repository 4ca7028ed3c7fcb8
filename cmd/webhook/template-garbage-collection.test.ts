import { describe, expect, it } from '@jest/globals';

import {
  collectTemplates,
  formatSeenAnnotation,
  formatTimestamp,
} from './template-garbage-collection.ts';

const now = Date.parse('2030-01-01T12:00:00Z');
const minute = 60_000;
const ours = 'a'.repeat(64);
const theirs = 'b'.repeat(64);
const buildSeenAnnotation = (hash: string, agoMs: number) => ({
  [formatSeenAnnotation(hash)]: formatTimestamp(now - agoMs),
});
const data = { [ours]: '{}', [theirs]: '{}' };

describe('collectTemplates', () => {
  it('deletes a template and its timestamps an hour after its last use', () => {
    const annotations = {
      ...buildSeenAnnotation(ours, minute),
      ...buildSeenAnnotation(theirs, 61 * minute),
    };
    expect(collectTemplates({ data, annotations }, { live: new Set([ours]), now })).toEqual({
      data: { [theirs]: null },
      annotations: { [formatSeenAnnotation(theirs)]: null },
    });
  });

  it('keeps a template for an hour', () => {
    const annotations = {
      ...buildSeenAnnotation(ours, minute),
      ...buildSeenAnnotation(theirs, 59 * minute),
    };
    expect(collectTemplates({ data, annotations }, { live: new Set([ours]), now })).toEqual({
      data: {},
      annotations: {},
    });
  });

  it('keeps a template that a running pod names, and renews its timestamp', () => {
    const annotations = {
      ...buildSeenAnnotation(ours, minute),
      ...buildSeenAnnotation(theirs, 600 * minute),
    };
    expect(collectTemplates({ data, annotations }, { live: new Set([ours, theirs]), now })).toEqual(
      {
        data: {},
        annotations: { [formatSeenAnnotation(theirs)]: formatTimestamp(now) },
      },
    );
  });

  it.each([{}, { [formatSeenAnnotation(theirs)]: 'yesterday' }])(
    'without a stamp that can be read is given its hour: %j',
    (broken) => {
      const annotations = { ...buildSeenAnnotation(ours, minute), ...broken };
      expect(collectTemplates({ data, annotations }, { live: new Set([ours]), now })).toEqual({
        data: {},
        annotations: { [formatSeenAnnotation(theirs)]: formatTimestamp(now) },
      });
    },
  );
});

it('deletes timestamps without a template and keeps other annotations', () => {
  const annotations = {
    ...buildSeenAnnotation(ours, minute),
    ...buildSeenAnnotation(theirs, minute),
    owner: 'x',
  };
  const state = { data: { [ours]: '{}' }, annotations };
  expect(collectTemplates(state, { live: new Set([ours]), now }).annotations).toEqual({
    [formatSeenAnnotation(theirs)]: null,
  });
});

it('builds valid annotation names', () => {
  expect(formatSeenAnnotation(ours)).toMatch(/^[a-z.]+\/[0-9a-f]{1,63}$/);
});
