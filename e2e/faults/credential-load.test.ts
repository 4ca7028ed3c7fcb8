import { describe, expect, it } from '@jest/globals';
import { findRecoverySeconds, summarizeLoad, type LoadAnswer } from './credential-load.ts';

const served = (changes: Partial<LoadAnswer> = {}): LoadAnswer => ({
  startedAt: 1_000,
  endedAt: 1_010,
  attempts: 1,
  firstStatus: 200,
  status: 200,
  expiresAt: 9_000,
  ...changes,
});

describe('summarizeLoad', () => {
  it('counts a request that was repeated with success as refused, not as lost', () => {
    const repeated = served({ firstStatus: 0, attempts: 3, endedAt: 3_010 });
    expect(summarizeLoad([served(), repeated])).toEqual({
      requests: 2,
      refused: 1,
      lost: 0,
      servedAfterEnd: 0,
      longestGapSeconds: 2,
    });
  });

  it('counts a request that never got credentials as lost', () => {
    const answers = [served({ firstStatus: 503, status: 503 })];
    expect(summarizeLoad(answers)).toMatchObject({ refused: 1, lost: 1 });
  });

  it('counts credentials that ended before the request, or have no end', () => {
    const answers = [served({ expiresAt: 999 }), served({ expiresAt: NaN }), served()];
    expect(summarizeLoad(answers).servedAfterEnd).toBe(2);
  });
});

describe('findRecoverySeconds', () => {
  it('returns the time until the first success after a moment', () => {
    const answers = [served(), served({ endedAt: 4_000 }), served({ endedAt: 3_000 })];
    expect(findRecoverySeconds(answers, 2_000)).toBe(1);
  });

  it('returns Infinity if there was none', () => {
    expect(findRecoverySeconds([served()], 2_000)).toBe(Infinity);
  });
});
