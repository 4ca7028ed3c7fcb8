import { describe, expect, test } from '@jest/globals';

import { createFakeTime } from './fixtures/fake-time.ts';
import { createHeartbeatMonitor, watchDisconnect } from './heartbeat-monitor.ts';

const setUpMonitor = () => {
  const time = createFakeTime();
  const monitor = createHeartbeatMonitor(time.clock);
  const disconnects: number[] = [];
  const stop = watchDisconnect(monitor, {
    disconnectTimeoutMs: 60_000,
    schedule: time.schedule,
    onDisconnect: (ms) => disconnects.push(ms),
  });
  return { time, monitor, disconnects, stop };
};

describe('watchDisconnect', () => {
  test('reports a disconnect after the timeout, counted from the start', async () => {
    const { time, disconnects } = setUpMonitor();
    await time.advance(59_999);
    expect(disconnects).toEqual([]);
    await time.advance(1);
    expect(disconnects).toEqual([60_000]);
  });

  test.each(['recordLine', 'recordDecision'] as const)(
    'restarts the timeout after %s',
    async (method) => {
      const { time, monitor, disconnects } = setUpMonitor();
      await time.advance(50_000);
      monitor[method]();
      await time.advance(59_999);
      expect(disconnects).toEqual([]);
      await time.advance(1);
      expect(disconnects).toEqual([60_000]);
    },
  );

  test('reports the next disconnect after another full timeout', async () => {
    const { time, monitor, disconnects } = setUpMonitor();
    await time.advance(70_000);
    monitor.recordDecision();
    await time.advance(60_000);
    expect(disconnects).toEqual([60_000, 60_000]);
  });

  test('leaves no timer after it was stopped', () => {
    const { time, stop } = setUpMonitor();
    stop();
    expect(time.timers()).toBe(0);
  });

  test('does not depend on the wall clock', () => {
    const { time, monitor } = setUpMonitor();
    time.shiftWallClock(3_600_000);
    expect(monitor.getDisconnectedMs()).toBe(0);
  });

  test('does not treat a decision as current knowledge of revocations', async () => {
    const { time, monitor } = setUpMonitor();
    monitor.recordDecision();
    expect(monitor.getLastLineAt()).toBe(-Infinity);
    await time.advance(5);
    monitor.recordLine();
    expect(monitor.getLastLineAt()).toBe(5);
  });
});
