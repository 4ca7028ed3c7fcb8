import { describe, expect, it } from '@jest/globals';

import { runCli } from './fixtures/cli-harness.ts';
import { PROGRESS, withProgress } from './progress.ts';

/** A clock that work moves forward: scheduled actions run at their time. */
const createFakeIo = (showsProgress: boolean) => {
  const errors: string[] = [];
  const timers: { at: number; action: () => void }[] = [];
  let now = 0;
  return {
    errors,
    timers,
    io: {
      showsProgress,
      now: () => now,
      error: (text: string) => void errors.push(text),
      schedule: (delayMs: number, action: () => void) => {
        const timer = { at: now + delayMs, action };
        timers.push(timer);
        return () => void timers.splice(timers.indexOf(timer), 1);
      },
    },
    pass: (ms: number): void => {
      const end = now + ms;
      for (let next = timers[0]; next !== undefined && next.at <= end; next = timers[0]) {
        timers.shift();
        now = next.at;
        next.action();
      }
      now = end;
    },
  };
};

describe('withProgress', () => {
  it('says after a second that work goes on, and then every ten seconds, until it ends', async () => {
    const { io, errors, timers, pass } = createFakeIo(true);
    const result = await withProgress(
      'reading audit files',
      () => {
        pass(22_000);
        return Promise.resolve('done');
      },
      io,
    );
    expect(result).toBe('done');
    expect(errors).toEqual([
      'reading audit files, 1 s\n',
      'reading audit files, 11 s\n',
      'reading audit files, 21 s\n',
    ]);
    expect(timers).toEqual([]);
  });

  it('says nothing within a second, or without a terminal', async () => {
    for (const [showsProgress, ms] of [
      [true, 900],
      [false, 22_000],
    ] as const) {
      const { io, errors, pass } = createFakeIo(showsProgress);
      const work = (): Promise<void> => {
        pass(ms);
        return Promise.resolve();
      };
      await withProgress('reading audit files', work, io);
      expect(errors).toEqual([]);
    }
  });

  it('stops when work fails', async () => {
    const { io, timers } = createFakeIo(true);
    const failed = withProgress('reading', () => Promise.reject(new Error('no such file')), io);
    await expect(failed).rejects.toThrow('no such file');
    expect(timers).toEqual([]);
  });
});

describe('commands that may take long', () => {
  const files = { 'audit.jsonl': '' };

  it.each([
    'check --pre',
    'check',
    'audit query audit.jsonl',
    'audit verify audit.jsonl',
    'posture audit.jsonl',
  ])('show progress on a terminal alone: %s', async (line) => {
    const words = line.split(' ');
    const shown = await runCli(words, { files, showsProgress: true });
    const first = shown.timers.filter(({ delayMs }) => delayMs === PROGRESS.firstMs);
    expect(first.length).toBeGreaterThan(0);
    expect(first.every(({ isCanceled }) => isCanceled)).toBe(true);
    expect((await runCli(words, { files })).timers).toEqual([]);
  });
});
