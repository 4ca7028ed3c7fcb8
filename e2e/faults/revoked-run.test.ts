import { describe, expect, it } from '@jest/globals';
import type { LoadAnswer } from './credential-load.ts';
import { toFigures } from './revoked-run.ts';

const passedAt = (sentAt: number): LoadAnswer => ({
  startedAt: sentAt,
  sentAt,
  endedAt: sentAt + 10,
  attempts: 1,
  firstStatus: 200,
  status: 200,
  expiresAt: 99_000,
});
const refusedAt = (sentAt: number, status = 403): LoadAnswer => ({
  ...passedAt(sentAt),
  firstStatus: status,
  status,
});
const TIMES = { revokedAt: 1_000, since: 5_000, withinSeconds: 2 };

describe('figures of a revoked run', () => {
  it('count the calls that passed after the Revocation, until the last one', () => {
    const answers = [passedAt(500), passedAt(2_000), passedAt(6_500), refusedAt(7_000)];
    const figures = toFigures('revoked', answers, TIMES);
    expect(figures.map(({ value }) => value)).toEqual([2, 5.5, 1.5]);
  });

  it('reject a call that passed too long after the authority was ready', () => {
    const answers = [passedAt(7_001), refusedAt(7_500)];
    expect(() => toFigures('revoked', answers, TIMES)).toThrow(
      'revoked: expected the last call of the revoked run within 2 s and before the first refusal, got 2.001 s',
    );
  });

  it('reject a call that passed after the first refusal', () => {
    const answers = [refusedAt(5_100), passedAt(5_200)];
    expect(() => toFigures('revoked', answers, TIMES)).toThrow('got 0.2 s, and 0.09 s after it');
  });

  it('ignore calls that found no answer', () => {
    const answers = [refusedAt(5_100, 503), passedAt(5_200), refusedAt(5_300)];
    expect(toFigures('revoked', answers, TIMES)[0]).toMatchObject({ value: 1 });
  });
});
