import { describe, expect, test } from '@jest/globals';

import { fakeTime } from './fixtures/time.ts';
import { openHearing, watchSilence } from './hearing.ts';

const watched = () => {
  const time = fakeTime();
  const hearing = openHearing(time.clock);
  const silences: number[] = [];
  const stop = watchSilence(hearing, {
    maxSilenceMs: 60_000,
    schedule: time.schedule,
    tooLong: (ms) => silences.push(ms),
  });
  return { time, hearing, silences, stop };
};

describe('silence', () => {
  test('that lasts too long is told, from the beginning on', async () => {
    const { time, silences } = watched();
    await time.advance(59_999);
    expect(silences).toEqual([]);
    await time.advance(1);
    expect(silences).toEqual([60_000]);
  });

  test.each(['line', 'decision'] as const)('is broken by a %s', async (word) => {
    const { time, hearing, silences } = watched();
    await time.advance(50_000);
    hearing[word]();
    await time.advance(59_999);
    expect(silences).toEqual([]);
    await time.advance(1);
    expect(silences).toEqual([60_000]);
  });

  test('after a silence, what was begun since has its own time', async () => {
    const { time, hearing, silences } = watched();
    await time.advance(70_000);
    hearing.decision();
    await time.advance(60_000);
    expect(silences).toEqual([60_000, 60_000]);
  });

  test('is watched until told otherwise', () => {
    const { time, stop } = watched();
    stop();
    expect(time.timers()).toBe(0);
  });

  test('is no matter of the wall clock', () => {
    const { time, hearing } = watched();
    time.shiftWallClock(3_600_000);
    expect(hearing.silentMs()).toBe(0);
  });

  test('a decision is no word about revocations, a line is', async () => {
    const { time, hearing } = watched();
    hearing.decision();
    expect(hearing.lastLineAt()).toBe(-Infinity);
    await time.advance(5);
    hearing.line();
    expect(hearing.lastLineAt()).toBe(5);
  });
});
