import { describe, expect, it } from '@jest/globals';
import { createFairQueue } from './fair-queue.ts';

describe('createFairQueue', () => {
  it('serves owners in turn, however much work one of them queues', async () => {
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

  it('yields to the event loop between two pieces of work', async () => {
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

  it('passes on results and errors, and continues after an error', async () => {
    const enqueue = createFairQueue();
    const broken = enqueue('a', () => Promise.reject(new Error('no catalog')));
    const thrown = enqueue('a', () => {
      throw new Error('thrown synchronously');
    });
    const next = enqueue('a', () => Promise.resolve('done'));
    await expect(broken).rejects.toThrow('no catalog');
    await expect(thrown).rejects.toThrow('thrown synchronously');
    expect(await next).toBe('done');
    expect(await enqueue('a', () => Promise.resolve('again'))).toBe('again');
  });
});
