import { describe, expect, it } from '@jest/globals';

import { findNearMisses } from './near-misses.ts';

describe('findNearMisses', () => {
  it.each([
    ['tasks.valetkey.dev/summarize', 'task.valetkey.dev/summarize'],
    ['task.valetkey.dev.summarize', 'task.valetkey.dev/summarize'],
    ['valetkey.dev/summarize', 'task.valetkey.dev/summarize'],
    ['task.valet-key.dev/read', 'task.valetkey.dev/read'],
    ['Task.Valetkey.dev/Read', 'task.valetkey.dev/read'],
    ['valetkey', 'task.valetkey.dev/<task>'],
  ])('suggests the right key for %s', (key, right) => {
    expect(findNearMisses({ [key]: 'x' })).toEqual([
      `annotation ${key} declares no task: did you mean ${right}?`,
    ]);
  });

  it('ignores declarations and annotations of others', () => {
    expect(findNearMisses({ 'task.valetkey.dev/read': 'x', 'example.org/valet': 'x' })).toEqual([]);
  });
});
