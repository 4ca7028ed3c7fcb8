import { describe, expect, test } from '@jest/globals';
import { createFairQueue } from './fair-queue.ts';

describe('fair turns', () => {
  test('are one owner’s after the other’s, however much one asks for', async () => {
    const enqueue = createFairQueue();
    const done: string[] = [];
    const work = (owner: string, count: number) =>
      Array.from({ length: count }, (_, index) =>
        enqueue(owner, () => Promise.resolve(void done.push(`${owner}${index}`))),
      );
    await Promise.all([...work('greedy', 50), ...work('modest', 2)]);
    expect(done.indexOf('modest1')).toBeLessThan(5);
    expect(done).toHaveLength(52);
  });

  test('let the event loop go on between any two', async () => {
    const enqueue = createFairQueue();
    let turns = 0;
    const observedTurns: number[] = [];
    const tick = setInterval(() => (turns += 1), 0);
    const slow = () => {
      const until = performance.now() + 5;
      while (performance.now() < until);
      observedTurns.push(turns);
      return Promise.resolve();
    };
    await Promise.all(
      ['a', 'b', 'c', 'd'].flatMap((owner) => [1, 2].map(() => enqueue(owner, slow))),
    );
    clearInterval(tick);
    expect(new Set(observedTurns).size).toBe(observedTurns.length);
  });

  test('answer with what the work answers, or throws, and go on', async () => {
    const enqueue = createFairQueue();
    const broken = enqueue('a', () => Promise.reject(new Error('no catalogue')));
    const thrown = enqueue('a', () => {
      throw new Error('at once');
    });
    const next = enqueue('a', () => Promise.resolve('done'));
    await expect(broken).rejects.toThrow('no catalogue');
    await expect(thrown).rejects.toThrow('at once');
    expect(await next).toBe('done');
    expect(await enqueue('a', () => Promise.resolve('again'))).toBe('again');
  });
});
