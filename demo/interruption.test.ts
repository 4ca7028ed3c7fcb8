import { EventEmitter, once } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import type { CleanupStack } from './cleanup-stack.ts';
import { runInterruptibly } from './interruption.ts';

/** Starts a program under a process that emits only what the test emits. */
const start = (run: (closing: CleanupStack) => Promise<number>) => {
  const process = new EventEmitter();
  const reported: unknown[] = [];
  const report = (error: unknown) => void reported.push(error);
  return { process, reported, status: runInterruptibly(run, { process, report }) };
};
const runUntilStopped = (): Promise<never> => new Promise(() => undefined);
const failure = new Error('agent ended with SIGINT');

describe('a program that nothing interrupts', () => {
  it('ends with its status after its cleanup', async () => {
    const steps: string[] = [];
    const { status, reported } = start(({ defer }) => {
      defer(() => void steps.push('first'));
      defer(() => void steps.push('second'));
      return Promise.resolve(0);
    });
    expect(await status).toBe(0);
    expect(steps).toEqual(['second', 'first']);
    expect(reported).toEqual([]);
  });

  it('reports why it failed, and ends with 1', async () => {
    const { status, reported } = start(() => Promise.reject(failure));
    expect(await status).toBe(1);
    expect(reported).toEqual([failure]);
  });

  it('cleans up after what is thrown outside of it, and ends with 1', async () => {
    let isClean = false;
    const { process, status, reported } = start(({ defer }) => {
      defer(() => void (isClean = true));
      return runUntilStopped();
    });
    process.emit('uncaughtException', failure);
    expect(await status).toBe(1);
    expect(isClean).toBe(true);
    expect(reported).toEqual([failure]);
  });

  it('runs the rest of its cleanup after a step that fails, and ends with 1', async () => {
    let isClean = false;
    const { status, reported } = start(({ defer }) => {
      defer(() => void (isClean = true));
      defer(() => Promise.reject(failure));
      return Promise.resolve(0);
    });
    expect(await status).toBe(1);
    expect(isClean).toBe(true);
    expect(String(reported)).toMatch(/agent ended with SIGINT/);
  });
});

describe.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
])('a program interrupted by %s', (signal, expected) => {
  it(`ends with ${expected} after its cleanup`, async () => {
    let isClean = false;
    const { process, status } = start(({ defer }) => {
      defer(() => void (isClean = true));
      return runUntilStopped();
    });
    process.emit(signal);
    expect(await status).toBe(expected);
    expect(isClean).toBe(true);
  });

  it(`ends with ${expected} if it fails because of what is being stopped`, async () => {
    const stopping = new EventEmitter();
    const { process, status, reported } = start(async ({ defer }) => {
      const failed = once(stopping, 'stop').then(() => Promise.reject(failure));
      defer(() => failed.catch(() => undefined));
      defer(() => void stopping.emit('stop'));
      return failed;
    });
    process.emit(signal);
    expect(await status).toBe(expected);
    expect(reported).toEqual([]);
  });

  it(`ends with ${expected} if what it started got the signal and failed first`, async () => {
    const cleanup = new EventEmitter();
    const closing = once(cleanup, 'started');
    const { process, status, reported } = start(({ defer }) => {
      defer(() => {
        cleanup.emit('started');
        return once(cleanup, 'end').then(() => undefined);
      });
      return Promise.reject(failure);
    });
    await closing;
    process.emit(signal);
    cleanup.emit('end');
    expect(await status).toBe(expected);
    expect(reported).toEqual([]);
  });

  it(`ends with ${expected} if a connection or the cleanup fails meanwhile`, async () => {
    const { process, status, reported } = start(({ defer }) => {
      defer(() => Promise.reject(failure));
      return runUntilStopped();
    });
    process.emit(signal);
    process.emit('uncaughtException', failure);
    expect(await status).toBe(expected);
    expect(reported).toEqual([]);
  });

  it('also undoes what it starts during the cleanup', async () => {
    const undone: string[] = [];
    const { process, status } = start((closing) => {
      closing.defer(async () => {
        await Promise.resolve();
        closing.defer(() => void undone.push('late'));
      });
      closing.defer(() => void undone.push('early'));
      return runUntilStopped();
    });
    process.emit(signal);
    expect(await status).toBe(expected);
    expect(undone).toEqual(['early', 'late']);
  });
});
