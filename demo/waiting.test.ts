import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { startChild, type Child } from './child-process.ts';
import { waitForEnd, waitUntilReady } from './waiting.ts';

let folder: string;
let child: Child;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'valetkey-child-'));
});
afterEach(async () => {
  await child.stop();
  rmSync(folder, { recursive: true, force: true });
});

const startTestChild = (program: string): Child =>
  (child = startChild({
    name: 'worker',
    command: [process.execPath, '-e', program],
    env: {},
    log: join(folder, 'logs', 'worker.log'),
    cwd: folder,
  }));
const idle = 'setInterval(() => undefined, 1000)';
const never = (): Promise<boolean> => Promise.resolve(false);

describe('waiting for a program', () => {
  test('shows its last log lines when it ends before it is ready', async () => {
    startTestChild('console.error("the setting X is missing"); process.exit(3)');
    await expect(waitUntilReady(child, never)).rejects.toThrow(
      /worker ended before it was ready; its last lines:\nthe setting X is missing/,
    );
  });

  test('gives up on one that is never ready', async () => {
    startTestChild(`console.log("busy"); ${idle}`);
    await expect(waitUntilReady(child, never, { timeoutMs: 50 })).rejects.toThrow(
      /not ready in time/,
    );
  });

  test('is over as soon as it is ready, though asking failed before', async () => {
    startTestChild(idle);
    let asked = 0;
    const answer = (): Promise<boolean> =>
      ++asked < 3 ? Promise.reject(new Error('connection refused')) : Promise.resolve(true);
    await expect(waitUntilReady(child, answer)).resolves.toBeGreaterThan(0);
    expect(asked).toBe(3);
  });

  test.each([
    ['ends with another code', 'process.exit(2)', /worker ended with 2/],
    ['is late', idle, /worker was not done in time/],
  ])('for its end fails when it %s', async (_, program, message) => {
    startTestChild(program);
    await expect(waitForEnd(child, 1_000)).rejects.toThrow(message);
  });

  test('keeps its output lines and does not inherit the environment of its parent', async () => {
    startTestChild('console.log(JSON.stringify(Object.keys(process.env)))');
    await waitForEnd(child, 10_000);
    expect(child.lines()).toEqual(['[]']);
  });
});
