import { describe, expect, it } from '@jest/globals';

import {
  collectTemplates,
  formatSeenAnnotation,
  formatTimestamp,
} from './template-garbage-collection.ts';

const now = Date.parse('2030-01-01T12:00:00Z');
const minute = 60_000;
const own = 'a'.repeat(64);
const other = 'b'.repeat(64);
const buildSeenAnnotation = (hash: string, agoMs: number) => ({
  [formatSeenAnnotation(hash)]: formatTimestamp(now - agoMs),
});
const data = { [own]: '{}', [other]: '{}' };

describe('collectTemplates', () => {
  it('deletes a template and its timestamps an hour after its last use', () => {
    const annotations = {
      ...buildSeenAnnotation(own, minute),
      ...buildSeenAnnotation(other, 61 * minute),
    };
    expect(collectTemplates({ data, annotations }, { live: new Set([own]), now })).toEqual({
      data: { [other]: null },
      annotations: { [formatSeenAnnotation(other)]: null },
    });
  });

  it('keeps a template for an hour', () => {
    const annotations = {
      ...buildSeenAnnotation(own, minute),
      ...buildSeenAnnotation(other, 59 * minute),
    };
    expect(collectTemplates({ data, annotations }, { live: new Set([own]), now })).toEqual({
      data: {},
      annotations: {},
    });
  });

  it('keeps a template that a running pod names, and renews its timestamp', () => {
    const annotations = {
      ...buildSeenAnnotation(own, minute),
      ...buildSeenAnnotation(other, 600 * minute),
    };
    expect(collectTemplates({ data, annotations }, { live: new Set([own, other]), now })).toEqual({
      data: {},
      annotations: { [formatSeenAnnotation(other)]: formatTimestamp(now) },
    });
  });

  it.each([{}, { [formatSeenAnnotation(other)]: 'yesterday' }])(
    'without a stamp that can be read is given its hour: %j',
    (broken) => {
      const annotations = { ...buildSeenAnnotation(own, minute), ...broken };
      expect(collectTemplates({ data, annotations }, { live: new Set([own]), now })).toEqual({
        data: {},
        annotations: { [formatSeenAnnotation(other)]: formatTimestamp(now) },
      });
    },
  );
});

it('deletes timestamps without a template and keeps other annotations', () => {
  const annotations = {
    ...buildSeenAnnotation(own, minute),
    ...buildSeenAnnotation(other, minute),
    owner: 'x',
  };
  const state = { data: { [own]: '{}' }, annotations };
  expect(collectTemplates(state, { live: new Set([own]), now }).annotations).toEqual({
    [formatSeenAnnotation(other)]: null,
  });
});

it('builds valid annotation names', () => {
  expect(formatSeenAnnotation(own)).toMatch(/^[a-z.]+\/[0-9a-f]{1,63}$/);
});
