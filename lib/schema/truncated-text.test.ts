import { describe, expect, it } from '@jest/globals';

import { truncateText } from './truncated-text.ts';

describe('truncateText', () => {
  it('returns a text that fits unchanged', () => {
    expect(truncateText('STS is not reachable', 20)).toBe('STS is not reachable');
  });

  it('cuts between words and marks the end', () => {
    expect(truncateText('STS is not reachable: check', 24)).toBe('STS is not reachable: …');
    expect(truncateText('STS is not reachable', 19)).toBe('STS is not …');
  });

  it('cuts a word that is longer than half of the space', () => {
    expect(truncateText(`at ${'x'.repeat(30)}`, 12)).toBe('at xxxxxxx …');
    expect(truncateText('x'.repeat(30), 12)).toHaveLength(12);
  });

  it('does not split a character of two units', () => {
    expect(truncateText('😀'.repeat(20), 7).isWellFormed()).toBe(true);
  });
});
