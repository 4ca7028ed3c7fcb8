import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { startChild, type Child } from '../../demo/child-process.ts';
import {
  retryAttempts,
  UnrecoverableError,
  waitFor,
  waitForEnd,
  waitUntil,
  waitUntilReady,
} from './retry.ts';

let folder: string;
let started: Child | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'valetkey-child-'));
});
afterEach(async () => {
  await started?.stop();
  started = undefined;
  rmSync(folder, { recursive: true, force: true });
});

const startTestChild = (program: string): Child =>
  (started = startChild({
    name: 'worker',
    command: [process.execPath, '-e', program],
    env: {},
    log: join(folder, 'logs', 'worker.log'),
    cwd: folder,
  }));
const idle = 'setInterval(() => undefined, 1000)';
const never = (): Promise<boolean> => Promise.resolve(false);

describe('waitUntil', () => {
  it('returns the first value of the probe that is not undefined or false', async () => {
    const values = [undefined, false, ''];
    await expect(waitUntil(() => values.shift())).resolves.toBe('');
  });

  it('fails at once with an error of the probe', async () => {
    let probes = 0;
    const fail = (): never => {
      probes += 1;
      throw new Error('expected a refusal, got 200');
    };
    await expect(waitUntil(fail)).rejects.toThrow('expected a refusal, got 200');
    expect(probes).toBe(1);
  });
});

describe('waitFor', () => {
  it('returns the first value of the probe that is not undefined or false', async () => {
    const values = [undefined, false, 0];
    await expect(waitFor('a value', () => values.shift(), { intervalMs: 1 })).resolves.toBe(0);
  });

  it('reports what it waited for and the last error of the probe', async () => {
    const fail = (): never => {
      throw new Error('connection refused');
    };
    await expect(waitFor('the server', fail, { timeoutMs: 5, intervalMs: 1 })).rejects.toThrow(
      'waited 0.005 s for: the server; last error: connection refused',
    );
  });

  it('stops at an UnrecoverableError', async () => {
    const fail = (): never => {
      throw new UnrecoverableError('the process ended');
    };
    await expect(waitFor('the server', fail)).rejects.toThrow('the process ended');
  });
});

describe('retryAttempts', () => {
  const countUp = () => {
    let count = 0;
    return () => Promise.resolve((count += 1));
  };

  it('repeats an attempt until it is not refused', async () => {
    await expect(retryAttempts(countUp(), (count) => count < 3, 0)).resolves.toEqual([1, 2, 3]);
  });

  it('gives up after five attempts', async () => {
    await expect(retryAttempts(countUp(), () => true, 0)).resolves.toEqual([1, 2, 3, 4, 5]);
  });
});

describe('waitUntilReady', () => {
  it('reports the last log lines of a process that ends before it is ready', async () => {
    const child = startTestChild('console.error("the setting X is missing"); process.exit(3)');
    await expect(waitUntilReady(child, never)).rejects.toThrow(
      /worker ended before it was ready; its last lines:\nthe setting X is missing/,
    );
  });

  it('gives up on a process that is never ready', async () => {
    const child = startTestChild(`console.log("busy"); ${idle}`);
    await expect(waitUntilReady(child, never, { timeoutMs: 50 })).rejects.toThrow(
      /not ready in time/,
    );
  });

  it('returns once the process is ready, even if earlier checks failed', async () => {
    const child = startTestChild(idle);
    let checks = 0;
    const check = (): Promise<boolean> =>
      ++checks < 3 ? Promise.reject(new Error('connection refused')) : Promise.resolve(true);
    await expect(waitUntilReady(child, check)).resolves.toBeGreaterThan(0);
    expect(checks).toBe(3);
  });
});

describe('waitForEnd', () => {
  it.each([
    ['ends with another code than 0', 'process.exit(2)', /worker ended with 2/],
    ['does not end in time', idle, /worker did not end in time/],
  ])('fails if the process %s', async (_, program, message) => {
    const child = startTestChild(program);
    await expect(waitForEnd(child, 1_000)).rejects.toThrow(message);
  });
});

describe('startChild', () => {
  it('collects the lines of a process that gets no environment variables of its parent', async () => {
    const child = startTestChild('console.log(JSON.stringify(Object.keys(process.env)))');
    await waitForEnd(child, 10_000);
    expect(child.lines()).toEqual(['[]']);
  });
});
