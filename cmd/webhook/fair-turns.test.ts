import { describe, expect, test } from '@jest/globals';
import { openFairTurns } from './fair-turns.ts';

describe('fair turns', () => {
  test('are one owner’s after the other’s, however much one asks for', async () => {
    const takeTurn = openFairTurns();
    const done: string[] = [];
    const work = (owner: string, count: number) =>
      Array.from({ length: count }, (_, index) =>
        takeTurn(owner, () => Promise.resolve(void done.push(`${owner}${index}`))),
      );
    await Promise.all([...work('greedy', 50), ...work('modest', 2)]);
    expect(done.indexOf('modest1')).toBeLessThan(5);
    expect(done).toHaveLength(52);
  });

  test('let the event loop go on between any two', async () => {
    const takeTurn = openFairTurns();
    let turns = 0;
    const told: number[] = [];
    const tick = setInterval(() => (turns += 1), 0);
    const slow = () => {
      const until = performance.now() + 5;
      while (performance.now() < until);
      told.push(turns);
      return Promise.resolve();
    };
    await Promise.all(
      ['a', 'b', 'c', 'd'].flatMap((owner) => [1, 2].map(() => takeTurn(owner, slow))),
    );
    clearInterval(tick);
    expect(new Set(told).size).toBe(told.length);
  });

  test('answer with what the work answers, or throws, and go on', async () => {
    const takeTurn = openFairTurns();
    const broken = takeTurn('a', () => Promise.reject(new Error('no catalogue')));
    const thrown = takeTurn('a', () => {
      throw new Error('at once');
    });
    const next = takeTurn('a', () => Promise.resolve('done'));
    await expect(broken).rejects.toThrow('no catalogue');
    await expect(thrown).rejects.toThrow('at once');
    expect(await next).toBe('done');
    expect(await takeTurn('a', () => Promise.resolve('again'))).toBe('again');
  });
});
