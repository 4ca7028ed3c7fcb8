import { describe, expect, test } from '@jest/globals';

import type { Answer } from './answer.ts';
import type { RunRequest } from './exchange.ts';
import { promptExchange, task } from './fixtures/exchange.ts';
import { fakeTime } from './fixtures/time.ts';
import { openRunBook } from './run-book.ts';

const silent = { started: () => undefined, ended: () => undefined };

const opened = () => {
  const time = fakeTime();
  const { exchange, calls } = promptExchange(time.clock);
  return { time, calls, book: openRunBook({ exchange, ...time, observer: silent }) };
};

const request = (consumer = 'agent'): RunRequest => ({ consumer, task: task(), params: {} });

const codeOf = (answer: Answer): string => (answer.kind === 'run' ? 'run' : answer.code);

describe('a consumer that starts and completes without end', () => {
  const loop = async ({ book }: ReturnType<typeof opened>, times: number) => {
    const codes: string[] = [];
    for (let n = 0; n < times; n += 1) {
      const answer = await book.start(request());
      codes.push(codeOf(answer));
      if (answer.kind === 'run') book.complete('agent', answer.run);
    }
    return codes;
  };

  test('starts 24 at once, then one every 2 s; and is told when', async () => {
    const all = opened();
    const codes = await loop(all, 40);
    expect(codes).toEqual([
      ...Array<string>(24).fill('run'),
      ...Array<string>(16).fill('too_many_starts'),
    ]);
    expect(all.calls).toHaveLength(24);
    expect(await all.book.start(request())).toMatchObject({ retryAfterMs: 2_000 });
    await all.time.advance(10_000);
    expect((await loop(all, 10)).filter((code) => code === 'run')).toHaveLength(5);
  });

  test('costs its neighbour nothing', async () => {
    const all = opened();
    await loop(all, 40);
    expect(codeOf(await all.book.start(request('helper')))).toBe('run');
  });

  test('gains nothing by the other way to credentials, whose renewals stay free', async () => {
    const all = opened();
    const source = all.book.source('agent', task());
    expect(codeOf(await source())).toBe('run');
    expect(await loop(all, 40)).toContain('too_many_starts');
    await all.time.advance(460_000);
    await source();
    await all.time.settle();
    expect(all.calls).toHaveLength(25);
    all.book.complete('agent', 'run-25');
    all.book.complete('agent', 'run-1');
    await loop(all, 300);
    expect(codeOf(await source())).toBe('too_many_starts');
  });
});
