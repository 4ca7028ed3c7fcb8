import { describe, expect, test } from '@jest/globals';

import type { RunResult } from './response-timeout.ts';
import type { RunRequest } from '../contract/exchange.ts';
import { createImmediateExchange, buildTask } from './fixtures/fake-exchange.ts';
import { createFakeTime } from './fixtures/fake-time.ts';
import { createRunRegistry } from './run-registry.ts';

const noopObserver = { started: () => undefined, ended: () => undefined };

const setUpRegistry = () => {
  const time = createFakeTime();
  const { exchange, calls } = createImmediateExchange(time.clock);
  return { time, calls, book: createRunRegistry({ exchange, ...time, observer: noopObserver }) };
};

const buildRequest = (consumer = 'agent'): RunRequest => ({
  consumer,
  task: buildTask(),
  params: {},
});

const getCode = (answer: RunResult): string => (answer.kind === 'run' ? 'run' : answer.code);

describe('a consumer that starts and completes without end', () => {
  const loop = async ({ book }: ReturnType<typeof setUpRegistry>, times: number) => {
    const codes: string[] = [];
    for (let n = 0; n < times; n += 1) {
      const answer = await book.start(buildRequest());
      codes.push(getCode(answer));
      if (answer.kind === 'run') book.complete('agent', answer.run);
    }
    return codes;
  };

  test('starts 24 at once, then one every 2 s; and is told when', async () => {
    const all = setUpRegistry();
    const codes = await loop(all, 40);
    expect(codes).toEqual([
      ...Array<string>(24).fill('run'),
      ...Array<string>(16).fill('start_rate_exceeded'),
    ]);
    expect(all.calls).toHaveLength(24);
    expect(await all.book.start(buildRequest())).toMatchObject({ retryAfterMs: 2_000 });
    await all.time.advance(10_000);
    expect((await loop(all, 10)).filter((code) => code === 'run')).toHaveLength(5);
  });

  test('costs its neighbour nothing', async () => {
    const all = setUpRegistry();
    await loop(all, 40);
    expect(getCode(await all.book.start(buildRequest('helper')))).toBe('run');
  });

  test('gains nothing by the other way to credentials, whose renewals stay free', async () => {
    const all = setUpRegistry();
    const source = all.book.createSource('agent', buildTask());
    expect(getCode(await source())).toBe('run');
    expect(await loop(all, 40)).toContain('start_rate_exceeded');
    await all.time.advance(460_000);
    await source();
    await all.time.settle();
    expect(all.calls).toHaveLength(25);
    all.book.complete('agent', 'run-25');
    all.book.complete('agent', 'run-1');
    await loop(all, 300);
    expect(getCode(await source())).toBe('start_rate_exceeded');
  });
});
