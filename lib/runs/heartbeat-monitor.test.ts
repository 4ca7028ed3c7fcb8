import { describe, expect, test } from '@jest/globals';

import { createFakeTime } from './fixtures/fake-time.ts';
import { createHeartbeatMonitor, watchDisconnect } from './heartbeat-monitor.ts';

const setUpMonitor = () => {
  const time = createFakeTime();
  const monitor = createHeartbeatMonitor(time.clock);
  const silences: number[] = [];
  const stop = watchDisconnect(monitor, {
    disconnectTimeoutMs: 60_000,
    schedule: time.schedule,
    onDisconnect: (ms) => silences.push(ms),
  });
  return { time, monitor, silences, stop };
};

describe('silence', () => {
  test('that lasts too long is told, from the beginning on', async () => {
    const { time, silences } = setUpMonitor();
    await time.advance(59_999);
    expect(silences).toEqual([]);
    await time.advance(1);
    expect(silences).toEqual([60_000]);
  });

  test.each(['recordLine', 'recordDecision'] as const)('is broken by a %s', async (method) => {
    const { time, monitor, silences } = setUpMonitor();
    await time.advance(50_000);
    monitor[method]();
    await time.advance(59_999);
    expect(silences).toEqual([]);
    await time.advance(1);
    expect(silences).toEqual([60_000]);
  });

  test('after a silence, what was begun since has its own time', async () => {
    const { time, monitor, silences } = setUpMonitor();
    await time.advance(70_000);
    monitor.recordDecision();
    await time.advance(60_000);
    expect(silences).toEqual([60_000, 60_000]);
  });

  test('is watched until told otherwise', () => {
    const { time, stop } = setUpMonitor();
    stop();
    expect(time.timers()).toBe(0);
  });

  test('is no matter of the wall clock', () => {
    const { time, monitor } = setUpMonitor();
    time.shiftWallClock(3_600_000);
    expect(monitor.getDisconnectedMs()).toBe(0);
  });

  test('a decision is no word about revocations, a line is', async () => {
    const { time, monitor } = setUpMonitor();
    monitor.recordDecision();
    expect(monitor.getLastLineAt()).toBe(-Infinity);
    await time.advance(5);
    monitor.recordLine();
    expect(monitor.getLastLineAt()).toBe(5);
  });
});
