import { describe, expect, test } from '@jest/globals';

import { createFakeTime } from './fixtures/fake-time.ts';
import { createHeartbeatMonitor, watchDisconnect } from './heartbeat-monitor.ts';

const setUpMonitor = () => {
  const time = createFakeTime();
  const hearing = createHeartbeatMonitor(time.clock);
  const silences: number[] = [];
  const stop = watchDisconnect(hearing, {
    disconnectTimeoutMs: 60_000,
    schedule: time.schedule,
    onDisconnect: (ms) => silences.push(ms),
  });
  return { time, hearing, silences, stop };
};

describe('silence', () => {
  test('that lasts too long is told, from the beginning on', async () => {
    const { time, silences } = setUpMonitor();
    await time.advance(59_999);
    expect(silences).toEqual([]);
    await time.advance(1);
    expect(silences).toEqual([60_000]);
  });

  test.each(['line', 'decision'] as const)('is broken by a %s', async (word) => {
    const { time, hearing, silences } = setUpMonitor();
    await time.advance(50_000);
    hearing[word]();
    await time.advance(59_999);
    expect(silences).toEqual([]);
    await time.advance(1);
    expect(silences).toEqual([60_000]);
  });

  test('after a silence, what was begun since has its own time', async () => {
    const { time, hearing, silences } = setUpMonitor();
    await time.advance(70_000);
    hearing.recordDecision();
    await time.advance(60_000);
    expect(silences).toEqual([60_000, 60_000]);
  });

  test('is watched until told otherwise', () => {
    const { time, stop } = setUpMonitor();
    stop();
    expect(time.timers()).toBe(0);
  });

  test('is no matter of the wall clock', () => {
    const { time, hearing } = setUpMonitor();
    time.shiftWallClock(3_600_000);
    expect(hearing.getDisconnectedMs()).toBe(0);
  });

  test('a decision is no word about revocations, a line is', async () => {
    const { time, hearing } = setUpMonitor();
    hearing.recordDecision();
    expect(hearing.getLastLineAt()).toBe(-Infinity);
    await time.advance(5);
    hearing.recordLine();
    expect(hearing.getLastLineAt()).toBe(5);
  });
});
