import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';

import type { RunResult } from './response-timeout.ts';
import { ExchangeError, type Exchange } from '../contract/exchange.ts';
import {
  createDeferredExchange,
  createImmediateExchange,
  buildRevocation,
  buildTask,
} from './fixtures/fake-exchange.ts';
import { createFakeTime } from './fixtures/fake-time.ts';
import { createRunRegistry, type RunRegistry } from './run-registry.ts';

type Time = ReturnType<typeof createFakeTime>;

const createRegistry = (exchange: Exchange, time: Time) => {
  const events: string[] = [];
  const book = createRunRegistry({
    exchange,
    ...time,
    observer: {
      started: ({ run }) => events.push(`${run} started`),
      ended: ({ run }, reason) => events.push(`${run} ${reason}`),
    },
  });
  return { book, events };
};

const setUpDeferred = () => {
  const time = createFakeTime();
  const { exchange, calls } = createDeferredExchange(time.clock);
  return { time, calls, ...createRegistry(exchange, time) };
};

/** A task whose first run is there; what follows is held back. */
const setUpDeferredWithRun = async () => {
  const opened = setUpDeferred();
  const source = opened.book.createSource('agent', buildTask());
  const first = source();
  await opened.time.settle();
  opened.calls[0]?.issue();
  await first;
  return { ...opened, source };
};

const setUpImmediate = () => {
  const time = createFakeTime();
  const { exchange, calls } = createImmediateExchange(time.clock);
  return { time, calls, ...createRegistry(exchange, time) };
};

/** What a consumer would read: the keys' id, or the code of the refusal. */
const formatResult = (answer: RunResult): string => {
  if (answer.kind === 'refusal') return answer.code;
  const text = answer.credentials.toString();
  return text.startsWith('{')
    ? (JSON.parse(text) as { AccessKeyId: string }).AccessKeyId
    : 'nothing but zeros';
};

/** Ends `run-1`, each time in the way that has this name. */
const ENDINGS = {
  completed: (book: RunRegistry) => book.complete('agent', 'run-1'),
  superseded: (book: RunRegistry) =>
    book.start({ consumer: 'agent', task: buildTask({ name: 'x', exclusive: true }), params: {} }),
  revoked: (book: RunRegistry) => book.revoke([buildRevocation({ run: 'run-1' })]),
  terminated: (book: RunRegistry) => book.close(),
};

const unavailable = new ExchangeError('unavailable', 'sts_unreachable', 'no way');
const refused = new ExchangeError('refused', 'AccessDenied', 'no');

describe('a task without params', () => {
  test('any number of callers at once cause one exchange and get the same credentials', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 200 }), async (callers) => {
        const { book, calls, time } = setUpDeferred();
        const source = book.createSource('agent', buildTask());
        const answers = Array.from({ length: callers }, async () => formatResult(await source()));
        await time.settle();
        calls[0]?.issue();
        expect(new Set(await Promise.all(answers))).toEqual(new Set(['ASIA1']));
        expect(calls).toHaveLength(1);
      }),
      { numRuns: 10 },
    );
  });

  test('a fresh run is served as it is, without a promise and without an exchange', async () => {
    const { book, calls, time } = setUpImmediate();
    const source = book.createSource('agent', buildTask());
    const first = await source();
    await time.advance(400_000);
    expect(source()).toBe(first);
    expect(calls).toHaveLength(1);
  });

  test('a due run is served while the next starts behind, and is not ended by it', async () => {
    const { book, calls, time, events, source } = await setUpDeferredWithRun();
    await time.advance(500_000);
    expect(formatResult(await source())).toBe('ASIA1');
    expect(formatResult(await source())).toBe('ASIA1');
    expect(calls).toHaveLength(2);
    calls[1]?.issue();
    await time.settle();
    expect(formatResult(await source())).toBe('ASIA2');
    expect(book.find('agent', 'run-1')).toBeDefined();
    await time.advance(90_000);
    expect(events).toEqual(['run-1 started', 'run-2 started', 'run-1 expired']);
  });

  test('nobody asking, no run follows', async () => {
    const { book, calls, time } = setUpImmediate();
    await book.createSource('agent', buildTask())();
    await time.advance(3_600_000);
    expect(calls).toHaveLength(1);
  });

  test('a dead run waits for one new run, whoever asks', async () => {
    const { book, calls, time } = setUpImmediate();
    const source = book.createSource('agent', buildTask());
    await source();
    await time.advance(600_000);
    const answers = await Promise.all([source(), source(), source()]);
    expect(answers.map(formatResult)).toEqual(['ASIA2', 'ASIA2', 'ASIA2']);
    expect(calls).toHaveLength(2);
  });

  test('a run is served until its advertised Expiration and not from then on', async () => {
    const { book, time } = setUpImmediate();
    const source = book.createSource('agent', buildTask({ lifetimeSeconds: 2 }));
    const first = await source();
    await time.advance(1_799);
    expect(await source()).toBe(first);
    await time.advance(1);
    expect(formatResult(await source())).not.toBe('ASIA1');
  });

  test('setting the wall clock back prolongs nothing', async () => {
    const { book, time } = setUpImmediate();
    const source = book.createSource('agent', buildTask());
    await source();
    time.shiftWallClock(-3_600_000);
    await time.advance(590_000);
    expect(formatResult(await source())).toBe('ASIA2');
  });

  test('setting the wall clock back does not put off the next run', async () => {
    const { book, calls, time } = setUpImmediate();
    const source = book.createSource('agent', buildTask());
    await source();
    time.shiftWallClock(-3_600_000);
    await time.advance(500_000);
    void source();
    expect(calls).toHaveLength(2);
  });

  test('setting it forward ends what looks over: no SDK takes credentials of the past', async () => {
    const { book, time } = setUpImmediate();
    const source = book.createSource('agent', buildTask());
    await source();
    time.shiftWallClock(3_600_000);
    expect(formatResult(await source())).toBe('ASIA2');
  });

  test('while an exchange goes on, an answer comes within 900 ms and the exchange goes on', async () => {
    const { book, calls, time } = setUpDeferred();
    const source = book.createSource('agent', buildTask());
    let answer: RunResult | undefined;
    void Promise.resolve(source()).then((given) => (answer = given));
    await time.advance(899);
    expect(answer).toMatchObject({ code: 'exchange_in_progress', retryAfterMs: 1000 });
    calls[0]?.issue();
    await time.settle();
    expect(formatResult(await source())).toBe('ASIA1');
    expect(calls).toHaveLength(1);
  });

  test.each([
    ['refused', refused, 'AccessDenied', 5_000],
    ['unavailable', unavailable, 'sts_unreachable', 2_000],
  ])(
    'a burst after a failure (%s) costs one exchange; later it is tried again',
    async (_, error, code, memory) => {
      const { book, calls, time } = setUpDeferred();
      const source = book.createSource('agent', buildTask());
      const first = source();
      await time.settle();
      calls[0]?.fail(error);
      expect(await first).toMatchObject({ code, retryAfterMs: memory });
      for (let n = 0; n < 20; n += 1) expect(formatResult(await source())).toBe(code);
      expect(calls).toHaveLength(1);
      await time.advance(memory);
      void source();
      await time.settle();
      expect(calls).toHaveLength(2);
    },
  );

  test('credentials that live are served although STS is down', async () => {
    const { calls, time, source } = await setUpDeferredWithRun();
    await time.advance(450_000);
    expect(formatResult(await source())).toBe('ASIA1');
    await time.settle();
    calls[1]?.fail(unavailable);
    await time.advance(130_000);
    expect(formatResult(await source())).toBe('ASIA1');
  });

  test('a bug in the exchange answers opaquely', async () => {
    const time = createFakeTime();
    const { book } = createRegistry(() => Promise.reject(new TypeError('secret-1')), time);
    const answer = await book.createSource('agent', buildTask())();
    expect(answer).toMatchObject({ kind: 'refusal', code: 'internal_error' });
    expect(JSON.stringify(answer)).not.toContain('secret-1');
  });

  test('what would be over before it begins is refused, not served', async () => {
    const { book, calls, time } = setUpDeferred();
    const answer = book.createSource('agent', buildTask({ lifetimeSeconds: 10 }))();
    await time.settle();
    calls[0]?.issue({ skewMs: 20_000 });
    expect(await answer).toMatchObject({ code: 'clock_skew', nature: 'refused' });
  });
});

describe('after the end of a run', () => {
  const reasons = ['completed', 'superseded', 'revoked', 'terminated'] as const;

  test.each(reasons)('%s: its credentials are zeros and are never served again', async (reason) => {
    const { book, events } = setUpImmediate();
    const source = book.createSource('agent', buildTask());
    const first = await source();
    await ENDINGS[reason](book);
    expect(formatResult(first)).toBe('nothing but zeros');
    expect(book.find('agent', 'run-1')).toBeUndefined();
    expect(formatResult(await source())).toMatch(/^ASIA[23]$|^terminating$/);
    await ENDINGS[reason](book);
    expect(events.filter((event) => event.startsWith('run-1'))).toEqual([
      'run-1 started',
      `run-1 ${reason}`,
    ]);
  });

  test('a renewal that was on its way is dropped', async () => {
    const { book, calls, time, events, source } = await setUpDeferredWithRun();
    await time.advance(500_000);
    void source();
    await time.settle();
    book.revoke([buildRevocation({ run: 'run-1' })]);
    expect(calls[1]?.signal.aborted).toBe(true);
    calls[1]?.issue();
    await time.settle();
    expect(events).not.toContain('run-2 started');
  });

  test('closing ends every run, refuses, and drops what exchanges still bring', async () => {
    const { book, calls, time, events, source } = await setUpDeferredWithRun();
    const late = book.start({ consumer: 'agent', task: buildTask({ name: 'other' }), params: {} });
    await time.settle();
    expect(book.close()).toBe(1);
    expect(formatResult(await late)).toBe('terminating');
    calls[1]?.issue();
    await time.settle();
    expect(events).toEqual(['run-1 started', 'run-1 terminated']);
    expect(formatResult(await source())).toBe('terminating');
    expect(
      formatResult(await book.start({ consumer: 'agent', task: buildTask(), params: {} })),
    ).toBe('terminating');
    expect(book.listActive()).toEqual([]);
  });
});

describe('runs started by name', () => {
  const request = (params: Record<string, string> = {}) => ({
    consumer: 'agent',
    task: buildTask(),
    params,
  });

  test('each has its own credentials and its own end', async () => {
    const { book } = setUpImmediate();
    await book.start(request({ customer: 'a' }));
    await book.start(request({ customer: 'b' }));
    expect(book.complete('agent', 'run-1')).toBe(true);
    expect(book.find('agent', 'run-1')).toBeUndefined();
    expect(book.find('agent', 'run-2')).toBeDefined();
  });

  test('are read and completed by their own consumer alone', async () => {
    const { book } = setUpImmediate();
    await book.start(request());
    expect(book.find('helper', 'run-1')).toBeUndefined();
    expect(book.complete('helper', 'run-1')).toBe(false);
    expect(book.find('agent', 'run-1')).toBeDefined();
  });

  test('who was told to wait asks again and gets the run that was started', async () => {
    const { book, calls, time } = setUpDeferred();
    const first = book.start(request({ customer: 'a' }));
    await time.advance(900);
    expect(formatResult(await first)).toBe('exchange_in_progress');
    calls[0]?.issue();
    await time.settle();
    expect(formatResult(await book.start(request({ customer: 'a' })))).toBe('ASIA1');
    expect(calls).toHaveLength(1);
    void book.start(request({ customer: 'a' }));
    await time.settle();
    expect(calls).toHaveLength(2);
  });

  test('a run that ended before it was handed out is not handed out', async () => {
    const { book, calls, time } = setUpDeferred();
    void book.start(request());
    await time.advance(900);
    calls[0]?.issue();
    await time.settle();
    book.revoke([buildRevocation({ run: 'run-1' })]);
    void book.start(request());
    await time.settle();
    expect(calls).toHaveLength(2);
  });

  test('other params, another purpose or another human is another exchange', async () => {
    const { book, calls, time } = setUpDeferred();
    void book.start(request({ customer: 'a' }));
    void book.start(request({ customer: 'b' }));
    void book.start({ ...request({ customer: 'a' }), purpose: 'x' });
    void book.start({ ...request({ customer: 'a' }), userToken: 'x' });
    void book.start({ ...request({ customer: 'a' }), consumer: 'helper' });
    await time.settle();
    expect(calls).toHaveLength(5);
  });

  test('are 16 at most for each consumer, those on their way included', async () => {
    const { book, calls, time } = setUpDeferred();
    for (let n = 0; n < 16; n += 1) void book.start(request({ customer: `c${n}` }));
    await time.settle();
    for (const call of calls.slice(0, 8)) call.issue();
    await time.settle();
    expect(await book.start(request({ customer: 'more' }))).toMatchObject({
      code: 'too_many_runs',
    });
    expect(calls).toHaveLength(16);
    void book.start({ ...request(), consumer: 'helper' });
    await time.settle();
    expect(calls).toHaveLength(17);
  });

  test('past 16 wait for the end of the next run, and only a moment for starts on their way', async () => {
    const { book, calls, time } = setUpDeferred();
    for (let n = 0; n < 16; n += 1) void book.start(request({ customer: `c${n}` }));
    await time.settle();
    const wait = async () => {
      const answer = await book.start(request({ customer: 'more' }));
      return answer.kind === 'refusal' && answer.retryAfterMs;
    };
    expect(await wait()).toBe(1_000);
    for (const call of calls) call.issue();
    await time.advance(570_000);
    expect(await wait()).toBe(20_000);
  });

  test('that look over on the wall clock take no room', async () => {
    const { book, time } = setUpImmediate();
    for (let n = 0; n < 16; n += 1) await book.start(request({ customer: `c${n}` }));
    time.shiftWallClock(3_600_000);
    expect(formatResult(await book.start(request({ customer: 'more' })))).toBe('ASIA17');
  });

  test('make room when one ends', async () => {
    const { book } = setUpImmediate();
    for (let n = 0; n < 16; n += 1) await book.start(request({ customer: `c${n}` }));
    expect(formatResult(await book.start(request({ customer: 'more' })))).toBe('too_many_runs');
    book.complete('agent', 'run-3');
    expect(formatResult(await book.start(request({ customer: 'more' })))).toBe('ASIA17');
  });

  test('leave no timer behind once all of them have ended', async () => {
    const { book, time } = setUpImmediate();
    for (let n = 0; n < 5; n += 1) await book.start(request({ customer: `c${n}` }));
    for (let n = 1; n <= 5; n += 1) book.complete('agent', `run-${n}`);
    expect(time.timers()).toBe(0);
  });
});

describe('an exclusive task', () => {
  const exclusive = buildTask({ name: 'payroll', exclusive: true });

  test("ends the consumer's other runs when it starts, and nobody else's", async () => {
    const { book, events } = setUpImmediate();
    await book.createSource('agent', buildTask())();
    await book.createSource('helper', buildTask({ containers: ['helper'] }))();
    await book.start({ consumer: 'agent', task: exclusive, params: {} });
    expect(events).toEqual(['run-1 started', 'run-2 started', 'run-1 superseded', 'run-3 started']);
  });

  test('drops what was on its way for another task', async () => {
    const { book, calls, time, events } = setUpDeferred();
    const other = book.createSource('agent', buildTask())();
    void book.start({ consumer: 'agent', task: exclusive, params: {} });
    await time.settle();
    calls[1]?.issue();
    expect(formatResult(await other)).toBe('run_ended_before_use');
    calls[0]?.issue();
    await time.settle();
    expect(events).toEqual(['run-2 started']);
  });

  test('that is refused ends nothing', async () => {
    const { book, calls, time, events } = await setUpDeferredWithRun();
    const start = book.start({ consumer: 'agent', task: exclusive, params: {} });
    await time.settle();
    calls[1]?.fail(refused);
    await start;
    expect(events).toEqual(['run-1 started']);
  });

  test('that is renewed ends nothing: its context has not changed', async () => {
    const { book, time, events } = setUpImmediate();
    const source = book.createSource('agent', exclusive);
    await source();
    await book.createSource('agent', buildTask())();
    await time.advance(500_000);
    await source();
    await time.settle();
    expect(events).toEqual(['run-1 started', 'run-2 started', 'run-3 started']);
  });
});
