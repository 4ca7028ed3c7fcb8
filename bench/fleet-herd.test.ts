import { describe, expect, it } from '@jest/globals';
import { RECONNECT_JITTER } from '../lib/runs/revocation-stream.ts';
import { countPeak, measureVirtualHerd, simulateHerd, VIRTUAL } from './fleet-herd.ts';
import { readFleetResults } from './fleet-results.ts';

const STREAMS = 200;
const { afterCutMs, firstMs, maxMs } = RECONNECT_JITTER;
/** Half as many again as the mean of independent random times: far outside of chance for so many streams. */
const allowPeak = (windowMs: number, spreadMs: number): number =>
  Math.ceil((STREAMS * windowMs * 1.5) / spreadMs);

describe('a fleet whose streams are all cut in one moment', () => {
  it('comes back without losing a stream, each with one attempt if the authority is not busy', async () => {
    const herd = await simulateHerd({ ...VIRTUAL, streams: STREAMS, openedPerSecond: 500 });
    expect(herd.returned).toHaveLength(STREAMS);
    expect(herd.attempts).toHaveLength(STREAMS);
    expect(herd.refused).toBe(0);
    expect(herd.attempts.at(-1)).toBeLessThanOrEqual(afterCutMs);
  });

  it('spreads its attempts over the window of the jitter', async () => {
    const herd = await simulateHerd({ ...VIRTUAL, streams: STREAMS, openedPerSecond: 500 });
    for (const windowMs of [100, firstMs, 500]) {
      expect(countPeak(herd.attempts, windowMs)).toBeLessThanOrEqual(
        allowPeak(windowMs, afterCutMs) + 10,
      );
    }
  });

  it('comes back to an authority that is away, in at most one attempt per stream and largest window', async () => {
    const awayMs = 60_000;
    const herd = await simulateHerd({ ...VIRTUAL, streams: STREAMS, awayMs, openedPerSecond: 500 });
    expect(herd.returned).toHaveLength(STREAMS);
    const after = herd.attempts.filter((at) => at >= awayMs);
    expect(after).toHaveLength(STREAMS);
    expect(after.at(-1)).toBeLessThanOrEqual(awayMs + maxMs);
    // The mean time between two attempts is half of the window.
    expect(countPeak(after, 1_000)).toBeLessThanOrEqual(allowPeak(1_000, maxMs / 2));
  });

  it('comes back to an authority that refuses most of it at first', async () => {
    const limits = { verifications: 4, openedPerSecond: 20 };
    const herd = await simulateHerd({ ...VIRTUAL, ...limits, streams: STREAMS });
    expect(herd.refused).toBeGreaterThan(0);
    expect(herd.returned).toHaveLength(STREAMS);
    expect(herd.attempts).toHaveLength(STREAMS + herd.refused);
  });

  it('is what docs/sizing.md states', async () => {
    const { streams, costs, virtual } = readFleetResults();
    expect(await measureVirtualHerd(streams, costs.cpuMillisecondsPerStream)).toEqual(virtual);
  });
});

describe('countPeak', () => {
  it.each([
    [[], 0],
    [[0, 10, 20], 1],
    [[0, 9, 18], 2],
    [[0, 1, 2, 50, 51], 3],
  ])('counts the most of %p within a window of 10: %i', (times, peak) => {
    expect(countPeak(times, 10)).toBe(peak);
  });
});
